"""Writes a trained detector to an ONNX file: image in, boxes, scores and labels out.

    python tools/export_onnx.py CONFIG CHECKPOINT OUT.onnx --normalize

The file runs wherever ONNX does; `tools/predict_onnx.py` runs it on image files. It is
compared with torch before: where they disagree, no file is left.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from pickle import UnpicklingError

import mmdet_centernet  # noqa: F401, so that checkpoints of mmengine can be read

from mmdet.registry import DATASETS, MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

try:
    from mmdet_centernet.export import describe_pipeline, export_onnx
except ModuleNotFoundError as missing:
    if missing.name not in ('onnx', 'onnxruntime'):
        raise
    sys.exit(f'{missing.name} is missing: pip install onnx onnxruntime')


def main() -> None:
    """Exports as the command line says."""
    args = parse_args()
    try:
        cfg = Config.fromfile(args.config)
        detector, classes = load_detector(cfg, args.checkpoint)
        exported = export_onnx(
            detector,
            args.out,
            view=describe_pipeline(get_test_pipeline_cfg(cfg)),
            classes=classes,
            normalize=args.normalize,
            flip=args.flip,
            grid_sample=args.grid_sample,
        )
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f'{args.checkpoint} was not exported: {error}')
    shape = ' x '.join(map(str, exported.inputs))
    print(
        f'{args.out}: opset {exported.opset}. Largest differences from torch, on uint8 '
        f'images {shape}: boxes {exported.difference.boxes:.1e} pixels, scores '
        f'{exported.difference.scores:.1e}'
    )


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
        help='take uint8 images (B, H, W, 3) in blue, green, red, as OpenCV reads them;'
        ' else normalised ones, (B, 3, H, W) float32',
    )
    parser.add_argument(
        '--flip', action='store_true', help='average with the mirror image'
    )
    parser.add_argument(
        '--grid-sample',
        action='store_true',
        help='write deformable convolutions as GridSample (opset 16) for runtimes '
        'without DeformConv (opset 19)',
    )
    return parser.parse_args()


def load_detector(cfg: Config, checkpoint: Path) -> tuple[nn.Module, list[str]]:
    """The detector with weights that fit to the last key, and names of its classes."""
    cfg.model.backbone.pop('init_cfg', None)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    detector = revert_sync_batchnorm(MODELS.build(cfg.model))
    try:
        loaded = load_checkpoint(detector, str(checkpoint), 'cpu', strict=True)
    except (RuntimeError, UnpicklingError) as error:
        raise ValueError(f'its weights do not fit the config. {error}') from error
    meta = loaded.get('meta', {}).get('dataset_meta') or dataset_meta(cfg)
    return detector, list(meta['classes'])


def dataset_meta(cfg: Config) -> dict:
    """What the config says about the classes, without reading the data."""
    dataset = cfg.test_dataloader.dataset
    return DATASETS.build(dict(dataset, lazy_init=True)).metainfo


if __name__ == '__main__':
    main()
