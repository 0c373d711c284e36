"""Exports a trained detector to an ONNX file, from image to boxes.

    mmdet_centernet export-onnx CONFIG CHECKPOINT OUT.onnx --normalize

`mmdet_centernet predict` runs the file on images. The export compares the graph with
torch; if they disagree, it writes no file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import mmdet_centernet  # noqa: F401, allows mmengine's checkpoints to load

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

try:
    from mmdet_centernet.export import (
        Exported,
        Names,
        describe_pipeline,
        export_onnx,
        find_pipeline,
        trained_names,
    )
except ModuleNotFoundError as missing:
    if missing.name not in ('onnx', 'onnxruntime'):
        raise
    sys.exit(f'{missing.name} is missing: pip install onnx onnxruntime')


def main() -> None:
    """Runs the command line."""
    args = parse_args()
    try:
        cfg = Config.fromfile(args.config)
        detector, meta = load_detector(cfg, args.checkpoint)
        labels = choose_names(cfg, meta.get('classes'), args.classes)
        exported = export_onnx(
            detector,
            args.out,
            pipeline=describe_pipeline(find_pipeline(cfg)),
            classes=labels.names,
            normalize=args.normalize,
            flip=args.flip,
            grid_sample=args.grid_sample,
            static=args.static,
            skeleton=find_skeleton(cfg, meta),
        )
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f'{args.checkpoint} was not exported: {error}')
    report(args.out, labels, exported)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config of the detector')
    parser.add_argument('checkpoint', type=Path, help='its weights')
    parser.add_argument('out', type=Path, help='ONNX file to write')
    parser.add_argument(
        '--normalize',
        action='store_true',
        help='take uint8 images (B, H, W, 3) in B, G, R, as OpenCV reads them; else '
        'normalized ones, (B, 3, H, W) float32',
    )
    parser.add_argument(
        '--flip', action='store_true', help='average with the flipped image'
    )
    parser.add_argument(
        '--grid-sample',
        action='store_true',
        help='write deformable convolutions as GridSample (opset 16) for runtimes '
        'without DeformConv (opset 19)',
    )
    parser.add_argument(
        '--static',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='take one image of this size at a time, smaller ones padded below and '
        'right; for networks whose graph fixes the input size, and runtimes without '
        'dynamic shapes',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='class names in label order; needed only if the training annotation file '
        'is missing',
    )
    return parser.parse_args()


def load_detector(cfg: Config, checkpoint: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Builds the detector, loads its weights strictly and returns its `dataset_meta`.

    The order of `classes` in `dataset_meta` is not that of the labels.
    """
    cfg.model.backbone.pop('init_cfg', None)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    detector = revert_sync_batchnorm(MODELS.build(cfg.model))
    try:
        loaded = load_checkpoint(detector, str(checkpoint), 'cpu', strict=True)
    except (RuntimeError, UnpicklingError) as error:
        raise ValueError(f'its weights do not fit the config. {error}') from error
    return detector, loaded.get('meta', {}).get('dataset_meta') or {}


def choose_names(
    cfg: Config, kept: Sequence[str] | None, given: Sequence[str] | None
) -> Names:
    """Returns the names by label, from the command line or the training data."""
    if given is None:
        return trained_names(cfg, kept)
    if kept is not None and sorted(kept) != sorted(given):
        raise ValueError(
            f'--classes names {", ".join(given)}, but the checkpoint was trained on '
            f'{", ".join(kept)}'
        )
    return Names(tuple(given), 'from --classes')


def find_skeleton(cfg: Config, meta: dict[str, Any]) -> Sequence[Sequence[int]]:
    """Returns the skeleton of the visualizer, else that of the training data."""
    return (cfg.get('visualizer') or {}).get('skeleton') or meta.get('skeleton') or ()


def report(path: Path, labels: Names, exported: Exported) -> None:
    """Prints a summary of the file."""
    for contradiction in labels.contradictions:
        print(f'Warning: {contradiction}')
    print(f'labels from 0 on, {labels.source}: {", ".join(labels.names)}')
    if exported.has_deform_conv:
        print(
            'Deformable convolutions are DeformConv, which onnxruntime supports from '
            '1.25 on, but not OpenVINO and others: for those add --grid-sample'
        )
    shapes = ', '.join(' x '.join(map(str, (*one, 3))) for one in exported.inputs)
    print(
        f'{path}: opset {exported.opset}. Largest differences from torch, on uint8 '
        f'images {shapes}: boxes {exported.difference.boxes:.1e} pixels, scores '
        f'{exported.difference.scores:.1e}{of_properties(exported)}'
    )


def of_properties(exported: Exported) -> str:
    """Describes the largest difference of properties, if there are any."""
    if not exported.properties:
        return ''
    names = ', '.join(exported.properties)
    return f', {names} {exported.difference.properties:.1e} of their size'


if __name__ == '__main__':
    main()
