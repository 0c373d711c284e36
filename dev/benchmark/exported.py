"""Measures predictions of exported networks against stock mmdet, on the CPU.

From an image in memory to boxes, one image at a time: preprocessing, network and
decoding. Stock is mmdet's own config and its `inference_detector`; ours has the same
weights with `CTDetHead`, exported with `--normalize`, and `tools/predict_onnx.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mmdet_centernet.export import describe_pipeline, export_onnx
from networks import STOCK_CONFIGS

import numpy as np
import torch
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
RECIPE = '8xb16-crop512-140e_coco.py'
SIDE = 511  # mmdet pads it to 512; an image of 512 pixels would become one of 544
NETWORKS = {'ResNet-18': 'r18', 'ResNet-18-DCN': 'r18-dcnv2'}


def exported_runs(network: str, folder: Path) -> dict[str, Callable[[], object]]:
    """Returns one prediction by the exported network and one by stock mmdet.

    Args:
        network: A key of ``NETWORKS``.
        folder: Where to write the exported network.
    """
    sys.path.insert(0, str(ROOT / 'tools'))
    from predict_onnx import Detector

    name = NETWORKS[network]
    stock = build(STOCK_CONFIGS / f'centernet_{name}_{RECIPE}')
    ours = build(ROOT / f'configs/ctdet/ctdet_{name}_{RECIPE}')
    ours.load_state_dict(stock.state_dict())
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    path = folder / f'{name}.onnx'
    pipeline = describe_pipeline(get_test_pipeline_cfg(ours.cfg))
    classes = [str(label) for label in range(ours.bbox_head.num_classes)]
    export_onnx(ours, path, pipeline=pipeline, classes=classes, normalize=True)
    detector = Detector(path, torch.get_num_threads())
    return dict(
        ours=lambda: detector([image]), stock=lambda: inference_detector(stock, image)
    )


def build(config: Path) -> nn.Module:
    """Builds the detector of a config with initial weights."""
    cfg = Config.fromfile(config)
    cfg.model.backbone.pop('init_cfg')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model).eval()
    detector.cfg = cfg
    return detector
