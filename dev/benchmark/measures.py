"""Groups of measurements; each yields rows of the table or a sweep.

A row has a name, a unit and figures of ours, stock and, if there is one, a lower bound
(``floor``). A sweep has them for several values of one quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from accelerator import count_syncs, focal_runs, loads
from clock import Run, alternate, cpu_seconds, peak_bytes
from dcn import NETWORKS as DCN_NETWORKS
from dcn import dcn_runs, mmcv_is_compiled
from heads import Workload, decode_runs, loss_runs
from mmdet_centernet.reason import reason
from networks import NETWORKS, predict_runs, train_runs
from options import option_runs
from pipelines import LOADER_WORKERS, loader_runs, pipeline_runs

import torch

LVIS = dict(images=8, classes=1203)
SWEEP_REPEATS = 3  # there are many values
SWEEPS: dict[str, dict] = {
    'objects': dict(objects=(10, 100, 1000, 10_000)),
    'classes': dict(classes=(1, 20, 80, 320)),
    'cells': dict(cells=(32, 64, 128, 256)),
}


@dataclass(frozen=True)
class Options:
    """Arguments of the command line."""

    device: str
    dtype: torch.dtype
    images: int
    classes: int
    cells: int
    objects: int
    repeats: int
    photos: Path | None
    scratch: Path

    @property
    def workload(self) -> Workload:
        """The inputs of the heads."""
        names = ('images', 'classes', 'cells', 'objects', 'device', 'dtype')
        return Workload(**{name: getattr(self, name) for name in names})


def measure_losses(options: Options) -> Iterator[dict]:
    """Measures targets and losses, with as many classes as COCO and as LVIS."""
    lvis = replace(options.workload, **LVIS)
    for name, load in (
        ('targets + losses', options.workload),
        ('the same, LVIS', lvis),
    ):
        runs = loss_runs(load)
        yield _time_row(name, runs, options.repeats)
        yield _memory_row(f'{name}: memory / logits', runs, load)


def measure_decoding(options: Options) -> Iterator[dict]:
    """Measures the decoding of 100 detections per image."""
    yield _time_row('decode', decode_runs(options.workload), options.repeats)


def measure_accelerator(options: Options) -> Iterator[dict]:
    """Measures the loss step by objects and precision, its syncs, and torch.compile.

    Stock runs in float32 only: its loss overflows in half precision.
    """
    for name, load in loads(options.workload).items():
        runs = loss_runs(load)
        if load.dtype != torch.float32:
            del runs['stock']
        yield _time_row(f'loss, {name}', runs, options.repeats)
        yield _memory_row('  memory / logits', runs, load)
        syncs = {
            side: count_syncs(runs[side], load.device)
            for side in ('ours', 'stock')
            if side in runs
        }
        yield dict(what='  syncs of a batch', unit='', **syncs)
    focal = focal_runs(options.workload)
    yield _time_row('focal loss, eager', dict(ours=focal['eager']), options.repeats)
    yield _compiled_row('focal loss, compiled', focal['compiled'], options.repeats)


def _compiled_row(name: str, run: Run, repeats: int) -> dict:
    """Returns a row, with the error instead of a time if there is no compiler."""
    try:
        return _time_row(name, dict(ours=run), repeats)
    except Exception as error:
        return dict(what=f'{name}: {reason(error)}', unit='ms')


def measure_pipeline(options: Options) -> Iterator[dict]:
    """Measures loading and augmentation, per image."""
    runs = pipeline_runs(options.scratch, options.photos)
    count = runs['floor'].count  # type: ignore[attr-defined]
    totals = alternate(runs, options.repeats, cpu_seconds)
    figures = {name: 1000 * seconds / count for name, seconds in totals.items()}
    yield dict(what='pipeline, an image (CPU)', unit='ms', **figures)
    loaders = loader_runs(options.scratch, options.photos)
    count = loaders['ours'].count  # type: ignore[attr-defined]
    seconds = alternate(loaders, options.repeats)
    figures = {name: 1000 * total / count for name, total in seconds.items()}
    yield dict(what=f'{LOADER_WORKERS} workers, an image', unit='ms', **figures)


def measure_training(options: Options) -> Iterator[dict]:
    """Measures a step of ResNet-18 at 512 x 512, batch 8, and its stages."""
    runs = train_runs('ResNet-18', 8, options.device)
    yield _time_row('training step, ResNet-18', runs, options.repeats)
    shares = {name: step.shares() for name, step in runs.items()}
    for stage in shares['ours']:
        times = {name: 1000 * share[stage] for name, share in shares.items()}
        yield dict(what=f'  {stage}', unit='ms', **times)


def measure_options(options: Options) -> Iterator[dict]:
    """Measures a training step of the small fast recipe by its options, in CPU time."""
    taken = alternate(option_runs(), options.repeats, cpu_seconds)
    for name, seconds in taken.items():
        yield dict(what=f'step, {name} (CPU)', unit='ms', ours=1000 * seconds)


def measure_prediction(options: Options) -> Iterator[dict]:
    """Measures predictions, from images of 512 x 512 to boxes."""
    for network in NETWORKS:
        for images in (1, 8):
            name = f'predict, {network}, batch {images}'
            runs = predict_runs(network, images, options.device)
            yield _time_row(name, runs, options.repeats)


def measure_exported(options: Options) -> Iterator[dict]:
    """Measures predictions of one image on a CPU: exported against stock mmdet."""
    # onnxruntime is optional, so only this group imports it.
    from exported import NETWORKS as EXPORTED_NETWORKS
    from exported import exported_runs

    for network in EXPORTED_NETWORKS:
        runs = exported_runs(network, options.scratch)
        yield _time_row(f'{network}, exported', runs, options.repeats)


def measure_dcn(options: Options) -> Iterator[dict]:
    """Measures DCNv2 in torch (ours) against mmcv's compiled operator (stock)."""
    if not mmcv_is_compiled():
        raise SystemExit('dcn: this mmcv has no compiled operators to compare with')
    for network in DCN_NETWORKS:
        for what, images, train in (('step', 2, True), ('predict', 1, False)):
            runs = dcn_runs(network, images, options.device, train=train)
            name = f'{what}, {network}, batch {images}'
            yield _time_row(name, runs, options.repeats)
        runs = dcn_runs(network, 8, options.device, train=True)
        peaks = {name: peak_bytes(run, options.device) for name, run in runs.items()}
        mebibytes = {name: peak and peak / 2**20 for name, peak in peaks.items()}
        yield dict(what=f'step, {network}, batch 8: memory', unit='MiB', **mebibytes)


def measure_sweeps(options: Options) -> Iterator[dict]:
    """Measures time and memory of the losses by objects, classes and map size."""
    for axis, changes in SWEEPS.items():
        points = []
        for value in changes[axis]:
            load = replace(options.workload, **{axis: value})
            runs = loss_runs(load)
            row = _time_row(f'losses, {value} {axis}', runs, SWEEP_REPEATS)
            memory = _memory_row('', runs, load)
            points.append(dict(at=value, time=row, memory=memory))
            yield row
        yield dict(axis=axis, points=points)


def _time_row(name: str, runs: Mapping[str, Run], repeats: int) -> dict:
    seconds = alternate(runs, repeats)
    return dict(what=name, unit='ms', **{n: 1000 * s for n, s in seconds.items()})


def _memory_row(name: str, runs: Mapping[str, Run], load: Workload) -> dict:
    """Returns memory beyond the inputs in units of the logits' bytes."""
    figures = {}
    for side in ('ours', 'stock'):
        if side not in runs:
            continue
        peak = peak_bytes(runs[side], load.device)
        figures[side] = None if peak is None else peak / load.logit_bytes
    return dict(what=name, unit='x', floor=1.0, **figures)


GROUPS: dict[str, Callable[[Options], Iterator[dict]]] = {
    'losses': measure_losses,
    'decoding': measure_decoding,
    'accelerator': measure_accelerator,
    'pipeline': measure_pipeline,
    'training': measure_training,
    'options': measure_options,
    'prediction': measure_prediction,
    'exported': measure_exported,
    'dcn': measure_dcn,
    'sweeps': measure_sweeps,
}
