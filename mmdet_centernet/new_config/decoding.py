"""How much of a training goes into the decoding of photos?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmdet_centernet.new_config.settings import Settings

FEW = 5
"""Photos that are decoded for the measurement."""
STEPS = 3
"""The first one is slower; of the others the faster counts."""
FAR_LARGER = 8
"""Times the area of the input, from which on decoding is looked at."""


def times_larger(photo_sizes: np.ndarray, settings: Settings) -> float:
    """How many pixels the median photo has for each pixel of the input."""
    width, height = settings.image_scale
    return float(np.median(photo_sizes.prod(axis=1))) / (width * height)


def decode_seconds(paths: Sequence[str]) -> float:
    """Seconds for which one core decodes a photo, the mean of a few.

    Args:
        paths: Photos that can be read.
    """
    some = paths[:: max(len(paths) // FEW, 1)][:FEW]
    start = time.perf_counter()
    for path in some:
        cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return (time.perf_counter() - start) / len(some)


def step_seconds(config: Path, settings: Settings) -> float:
    """Seconds of a training step for each of its photos.

    Args:
        config: The config as it was written.
        settings: What it was filled with.
    """
    init_default_scope('mmdet')
    model = Config.fromfile(config).model
    model.backbone.init_cfg = None  # no download for the sake of a measurement
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    detector = MODELS.build(model).to(device).train()
    photos = _two_photos(*settings.crop_size)
    for prop in detector.bbox_head.properties.values():
        for sample in photos['data_samples']:
            sample.gt_instances[prop.key] = torch.ones(1, *prop.row_shape)
    batch = detector.data_preprocessor(photos, training=True)
    return min(_time_step(detector, batch) for _ in range(STEPS)) / 2


def _time_step(detector: Any, batch: dict) -> float:
    start = time.perf_counter()
    loss, _ = detector.parse_losses(detector(**batch, mode='loss'))
    loss.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _two_photos(width: int, height: int) -> dict:
    """A batch as a data loader gives it, with an object on each photo."""
    photo = torch.randint(256, (3, height, width), dtype=torch.uint8)
    samples = [_one_object(width, height) for _ in range(2)]
    return dict(inputs=[photo, photo], data_samples=samples)


def _one_object(width: int, height: int) -> DetDataSample:
    box = torch.tensor([[0.0, 0.0, width / 2, height / 2]])
    label = torch.zeros(1, dtype=torch.long)
    sample = DetDataSample(metainfo=dict(img_shape=(height, width)))
    sample.gt_instances = InstanceData(bboxes=box, labels=label)
    sample.ignored_instances = InstanceData(bboxes=box[:0], labels=label[:0])
    return sample
