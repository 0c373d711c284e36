"""Decoding of output maps against a search through all cells."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import torch
from torch import Tensor

from fuzz import draws
from fuzz.oracles import count_peaks, is_peak
from fuzz.outcome import RIGHT
from mmdet_centernet.codecs import Detections, decode_centers


def decode(draw: Random) -> str:
    """Detections are the highest peaks, with their boxes."""
    batch, classes = draw.randint(1, 2), draw.randint(1, 3)
    size = draw.randint(1, 9), draw.randint(1, 9)
    heatmap = draws.logits(draw, batch, classes, *size)
    add_non_finite(draw, heatmap)
    wh, offset = (draws.logits(draw, batch, 2, *size) for _ in range(2))
    topk, kernel = draw.choice([1, 5, 100]), draw.choice([1, 3, 5])
    stride = draw.choice([1, 4, 8])
    dtype = draw.choice([torch.float32, torch.float32, torch.bfloat16])
    heatmap, wh, offset = (one.to(dtype) for one in (heatmap, wh, offset))
    found = decode_centers(heatmap, wh, offset, stride=stride, topk=topk, kernel=kernel)
    maps = [one.float().numpy() for one in (heatmap, wh, offset)]
    for number in range(batch):
        one = Detections(*(part[number].numpy() for part in found))
        check_image(one, *(m[number] for m in maps), (stride, topk, kernel))
    return RIGHT


def add_non_finite(draw: Random, heatmap: Tensor) -> None:
    """Writes NaN or infinity into some cells or all of them."""
    if draw.random() < 0.3:
        value = draw.choice([math.nan, math.inf, -math.inf])
        cells = [draw.randrange(heatmap.numel()) for _ in range(3)]
        heatmap.view(-1)[cells] = value
        if draw.random() < 0.2:
            heatmap.fill_(value)


def check_image(
    found: Detections,
    heat: np.ndarray,
    wh: np.ndarray,
    offset: np.ndarray,
    settings: tuple[int, int, int],
) -> None:
    """Checks the detections of one image."""
    stride, topk, kernel = settings
    expected = count_peaks(heat, kernel)[:topk]
    assert len(found.scores) == min(topk, heat.size)
    scores = 1 / (1 + np.exp(-np.float64(expected).clip(-700)))
    np.testing.assert_allclose(found.scores[: len(expected)], scores, atol=1e-6)
    assert (found.scores[len(expected) :] == 0).all()
    possible = {
        (label, tuple(box_at(wh, offset, x, y, stride).tolist()))
        for label, plane in enumerate(heat)
        for y, x in np.ndindex(plane.shape)
        if is_peak(plane, x, y, kernel)
    }
    real = min(len(expected), len(found.scores))
    boxes = found.boxes[:real]
    for label, box in zip(found.labels[:real].tolist(), boxes.tolist(), strict=True):
        assert (label, tuple(box)) in possible, (label, box)


def box_at(
    wh: np.ndarray, offset: np.ndarray, x: int, y: int, stride: int
) -> np.ndarray:
    """Returns the box of a cell: x1, y1, x2, y2 in pixels, float32."""
    center = np.float32([x, y]) + offset[:, y, x]
    half = wh[:, y, x] / np.float32(2)
    return np.concatenate([center - half, center + half]) * np.float32(stride)
