"""Generates boxes, labels, maps and images, usual and unusual ones.

All choices come from a `random.Random`, so that seeds are repeatable. Large arrays come
from a numpy generator that it seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from torch import Tensor

HUGE = 1e30
LARGEST = 3e38
FAR = 1e6
CROWD = 50_000
Corners = tuple[float, float, float, float]


def generator(draw: Random) -> np.random.Generator:
    """Returns a generator for arrays."""
    return np.random.default_rng(draw.getrandbits(32))


def inside(draw: Random, width: float, height: float) -> Corners:
    """A box inside the image."""
    x1, y1 = draw.uniform(0, width), draw.uniform(0, height)
    return x1, y1, draw.uniform(x1, width), draw.uniform(y1, height)


def whole_pixels(draw: Random, width: float, height: float) -> Corners:
    """A box with integer coordinates, often on the border of a cell."""
    x1, y1, x2, y2 = map(round, inside(draw, width, height))
    return x1, y1, x2, y2


def across(draw: Random, width: float, height: float) -> Corners:
    """A box that crosses the image border."""
    x1, y1 = draw.uniform(-width, width), draw.uniform(-height, height)
    return x1, y1, x1 + draw.uniform(0, 3 * width), y1 + draw.uniform(0, 3 * height)


def outside(draw: Random, width: float, height: float) -> Corners:
    """A box outside the image, possibly touching it."""
    gap = draw.choice([0.0, 1.0, FAR])
    x1, y1, x2, y2 = inside(draw, width, height)
    if draw.random() < 0.5:
        return x1 + width + gap, y1, x2 + width + gap, y2
    return x1, y1 - height - gap, x2, y2 - height - gap


def without_area(draw: Random, width: float, height: float) -> Corners:
    """A point or a line."""
    x1, y1, x2, y2 = inside(draw, width, height)
    return draw.choice([(x1, y1, x1, y1), (x1, y1, x2, y1), (x1, y1, x1, y2)])


def inverted(draw: Random, width: float, height: float) -> Corners:
    """A box with exchanged corners."""
    x1, y1, x2, y2 = inside(draw, width, height)
    return draw.choice([(x2, y1, x1, y2), (x1, y2, x2, y1), (x2, y2, x1, y1)])


def not_finite(draw: Random, width: float, height: float) -> Corners:
    """A box with NaN or infinity."""
    corners = list(inside(draw, width, height))
    corners[draw.randrange(4)] = draw.choice([math.nan, math.inf, -math.inf])
    return tuple(corners)


def huge(draw: Random, width: float, height: float) -> Corners:
    """A box larger than any image."""
    size = draw.choice([FAR, HUGE, LARGEST])
    return -size, -size, size, size


def tiny(draw: Random, width: float, height: float) -> Corners:
    """A box far smaller than a pixel."""
    x1, y1, *_ = inside(draw, width, height)
    return x1, y1, x1 + 1e-3, y1 + 1e-3


def zero(draw: Random, width: float, height: float) -> Corners:
    """A box of zeros, a common placeholder."""
    return 0.0, 0.0, 0.0, 0.0


USUAL: tuple[Callable[[Random, float, float], Corners], ...] = (inside, whole_pixels)
UNUSUAL = (across, outside, without_area, inverted, not_finite, huge, tiny, zero)


def boxes(draw: Random, width: float, height: float, most: int = 8) -> Tensor:
    """Draws boxes (n, 4) of an image, including unusual ones and duplicates."""
    found: list[Corners] = []
    for _ in range(draw.randint(0, most)):
        if found and draw.random() < 0.1:
            found.append(draw.choice(found))
        else:
            kinds = UNUSUAL if draw.random() < 0.4 else USUAL
            found.append(draw.choice(kinds)(draw, width, height))
    return torch.tensor(found, dtype=torch.float32).reshape(-1, 4)


def crowd(draw: Random, width: float, height: float) -> Tensor:
    """Draws 50,000 boxes (n, 4), many of them in one cell."""
    corners = generator(draw).uniform(0, 1, (CROWD, 2, 2)).astype(np.float32)
    corners *= np.float32([width, height])
    return torch.from_numpy(np.sort(corners, axis=1).reshape(-1, 4))


def labels(draw: Random, count: int, num_classes: int) -> Tensor:
    """Draws valid labels (count,)."""
    drawn = [draw.randrange(num_classes) for _ in range(min(count, 8))]
    rest = generator(draw).integers(0, num_classes, max(count - 8, 0))
    return torch.tensor([*drawn, *rest.tolist()], dtype=torch.long)


def logits(draw: Random, *shape: int) -> Tensor:
    """Draws logits of any spread, sometimes with plateaus."""
    spread = draw.choice([0.0, 0.5, 3.0, 30.0, 1e4])
    values = generator(draw).normal(0, spread, shape)
    if draw.random() < 0.4:
        values = np.round(values)
    return torch.from_numpy(values.astype(np.float32))


def image(draw: Random, height: int, width: int) -> np.ndarray:
    """Draws noise: color, gray, 16 bits, with an alpha channel or in floats."""
    channels = draw.choice([(3,), (3,), (3,), (), (4,), (1,)])
    dtype = draw.choice([np.uint8, np.uint8, np.uint16, np.float32])
    pixels = generator(draw).integers(0, 256, (height, width, *channels))
    return pixels.astype(dtype)
