"""Trains one detector and measures it.

Usage: python dev/peers/run_trial.py CONFIG FOLDER --rate 0.002 --seed 0 --epochs 12
           --split val

Continues an interrupted training. Writes the results to FOLDER/SPLIT.json: the metrics
on that split, CPU seconds of the training, parameters, multiplications, latency.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

# Registers mmcv's operators where mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401
from mmdet_centernet.files import write_bytes

INPUT_SHAPE = (1, 3, 256, 320)
WARM_UP = 3
TIMED_IMAGES = 20
CPU_SECONDS = 'cpu_seconds'
METRICS = ('bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75')


class CPUSecondsHook(Hook):
    """Adds up the CPU time of the training epochs, also over interruptions.

    The sum is stored in the checkpoints. Validation and writing of checkpoints do not
    count.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Starts the clock."""
        self.started = time.process_time()

    def after_train_epoch(self, runner: Runner) -> None:
        """Adds the epoch to the sum; the checkpoint is written after that."""
        info = runner.message_hub.runtime_info
        seconds = info.get(CPU_SECONDS, 0.0) + time.process_time() - self.started
        runner.message_hub.update_info(CPU_SECONDS, seconds)


def main() -> None:
    """Trains, measures and writes the results."""
    args = _parse_args()
    torch.set_num_threads(1)
    runner = Runner.from_cfg(
        make_config(args.config, args.folder, args.rate, args.seed, args.epochs)
    )
    runner.register_hook(CPUSecondsHook())
    runner.train()
    results = measure(runner, args.split)
    path = args.folder / f'{args.split}.json'
    write_bytes(path, json.dumps(results, indent=2).encode())


def make_config(
    path: Path, folder: Path, rate: float, seed: int, epochs: int
) -> Config:
    """Returns the config of one training in one process.

    Args:
        path: Config of the detector.
        folder: Work directory; a training that was interrupted there continues.
        rate: Peak learning rate.
        seed: Random seed.
        epochs: Length of the training and of the cosine schedule.
    """
    cfg = Config.fromfile(path)
    cfg.update(work_dir=str(folder), randomness=dict(seed=seed), resume=True)
    cfg.optim_wrapper.optimizer.update(lr=rate)
    cfg.train_cfg.update(max_epochs=epochs, val_begin=epochs + 1)
    for scheduler in cfg.param_scheduler:
        if 'T_max' in scheduler:
            scheduler.update(T_max=epochs)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.update(classwise=True)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='ChannelsLastHook')]
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=1
    )
    return cfg


def measure(runner: Runner, split: str) -> dict:
    """Measures a trained detector.

    Args:
        runner: Runner after training.
        split: `val` or `test`; the annotations of the other are not read.

    Returns:
        `metrics`, `cpu_seconds`, `params`, `macs` and `latency_ms`.
    """
    loop = runner.val_loop if split == 'val' else runner.test_loop
    complexity = get_model_complexity_info(
        runner.model.eval(),
        inputs=(torch.zeros(INPUT_SHAPE),),
        show_table=False,
        show_arch=False,
    )
    dataset = loop.dataloader.dataset
    return dict(
        metrics={**no_metrics(dataset.metainfo['classes']), **loop.run()},
        cpu_seconds=runner.message_hub.get_info(CPU_SECONDS),
        params=complexity['params'],
        macs=complexity['flops'],  # mmengine counts a multiply-add as one
        latency_ms=latency(runner.model, dataset),
    )


def no_metrics(classes: Sequence[str]) -> dict[str, float]:
    """Returns zeros: CocoMetric returns no metrics if there are no detections."""
    names = (*METRICS, *(f'{name}_precision' for name in classes))
    return {f'coco/{name}': 0.0 for name in names}


@torch.no_grad()
def latency(model: nn.Module, dataset: torch.utils.data.Dataset) -> float:
    """Returns the CPU time of one image in ms, from pixels to boxes.

    The lowest of several images: other programs evict the caches.
    """
    model.eval()
    times = []
    for index in range(WARM_UP + TIMED_IMAGES):
        batch = pseudo_collate([dataset[index % len(dataset)]])
        started = time.process_time()
        model.test_step(batch)
        times.append(time.process_time() - started)
    return 1000 * min(times[WARM_UP:])


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--epochs', type=int, required=True)
    parser.add_argument('--split', choices=('val', 'test'), required=True)
    return parser.parse_args()


if __name__ == '__main__':
    main()
