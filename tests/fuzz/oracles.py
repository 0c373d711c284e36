"""Slow oracles with loops over objects, cells or peaks.

Legend: N objects, C classes, H x W map, K detections. Implements the paper and the
documentation with scalars and shares no code with the package.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from mmdet.models.utils import gaussian_radius as stock_radius

from mmdet_centernet.codecs.center_assigner import FARTHEST


class Target(NamedTuple):
    """The target of a box.

    Attributes:
        cell: x, y of the cell of the center.
        size: Width and height in cells.
        offset: Center minus its cell.
        radius: Of the Gaussian, not rounded.
    """

    cell: tuple[int, int]
    size: tuple[np.float32, np.float32]
    offset: tuple[np.float32, np.float32]
    radius: float


def is_usable(box: np.ndarray, extent: tuple[float, float]) -> bool:
    """Whether a box is finite and has an area within (width, height)."""
    x1, y1, x2, y2 = box
    if not np.isfinite([*box, x2 - x1, y2 - y1]).all():
        return False
    width, height = extent
    shown_width = min(max(x2, 0), width) - min(max(x1, 0), width)
    shown_height = min(max(y2, 0), height) - min(max(y1, 0), height)
    return bool(shown_width > 0 and shown_height > 0)


def target_of(
    box: np.ndarray, stride: int, cells: tuple[int, int], rule: str, clip: bool
) -> Target | None:
    """Computes the target of a box (4,) float32; None if the box is excluded."""
    corners = box / np.float32(stride)
    if not is_usable(corners, cells):
        return None
    corners = np.clip(corners, np.float32(-FARTHEST), np.float32(FARTHEST))
    if clip:
        last = np.float32([cells[0] - 1, cells[1] - 1] * 2)
        corners = np.minimum(np.maximum(corners, np.float32(0)), last)
    x1, y1, x2, y2 = corners
    size = x2 - x1, y2 - y1
    center = (x1 + x2) / np.float32(2), (y1 + y2) / np.float32(2)
    on_map = all(0 <= at < end for at, end in zip(center, cells, strict=True))
    if min(size) <= 0 or not on_map:
        return None
    cell = int(center[0]), int(center[1])
    offset = center[0] - np.float32(cell[0]), center[1] - np.float32(cell[1])
    return Target(cell, size, offset, radius(size, rule))


def radius(size: tuple[float, float], rule: str) -> float:
    """Computes the radius by one of the three radius rules."""
    width, height = map(float, size)
    if rule == 'mmdet':
        return stock_radius((height, width), min_overlap=0.3)
    if rule == 'corrected':
        return stock_radius((height, width), min_overlap=0.7)
    width, height = math.ceil(width), math.ceil(height)
    total, area = width + height, width * height
    roots = (
        (1, total, area * 0.3 / 1.7),
        (4, 2 * total, 0.3 * area),
        (2.8, -1.4 * total, -0.3 * area),
    )
    return min((b + math.sqrt(b * b - 4 * a * c)) / 2 for a, b, c in roots)


def splat(heat: np.ndarray, cell: tuple[int, int], radius: int) -> None:
    """Draws a Gaussian into a map (H, W), keeping the maximum."""
    height, width = heat.shape
    (x, y), sigma = cell, (2 * radius + 1) / 6
    for row in range(max(y - radius, 0), min(y + radius + 1, height)):
        for column in range(max(x - radius, 0), min(x + radius + 1, width)):
            squares = (column - x) ** 2 + (row - y) ** 2
            value = math.exp(-squares / (2 * sigma**2))
            heat[row, column] = max(heat[row, column], value)


def focal(
    logits: np.ndarray,
    heat: np.ndarray,
    weight: np.ndarray | float = 1.0,
    *,
    alpha: float = 2.0,
    gamma: float = 4.0,
) -> np.ndarray:
    """Computes the loss of each cell in float64 (paper, equation 1)."""
    logits, heat = logits.astype(np.float64), heat.astype(np.float64)
    log_pos, log_neg = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    peak = np.exp(alpha * log_neg) * -log_pos
    elsewhere = (1 - heat) ** gamma * np.exp(alpha * log_pos) * -log_neg
    return np.where(heat == 1, peak, elsewhere) * weight


def is_peak(heat: np.ndarray, x: int, y: int, kernel: int) -> bool:
    """Whether no neighbor is higher; NaN counts as higher than all numbers."""
    reach = kernel // 2
    around = heat[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
    return bool((around <= heat[y, x]).all())


def count_peaks(heat: np.ndarray, kernel: int) -> list[float]:
    """Returns the logits of all peaks of (C, H, W) in descending order."""
    found = [
        float(plane[y, x])
        for plane in heat
        for y in range(plane.shape[0])
        for x in range(plane.shape[1])
        if is_peak(plane, x, y, kernel)
    ]
    return sorted(found, reverse=True)
