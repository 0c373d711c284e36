"""The official color augmentation as an affine map of colors.

Brightness, contrast and saturation each blend the image with another one: with black,
with its mean gray, with its gray version. Gray values are those of the unchanged image,
so all three in any order, and the light added last, are one affine map of the pixel's
color. Colors are B, G, R in 0..255.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

WHITE = 255.0
GRAY_WEIGHTS = np.array([0.114, 0.587, 0.299])
"""Share of B, G, R in the gray value (ITU-R BT.601)."""

LIGHT_VALUES = np.array([0.2141788, 0.01817699, 0.00341571])
LIGHT_VECTORS = np.array(
    [
        [-0.58752847, -0.69563484, 0.41340352],
        [-0.5832747, 0.00994535, -0.81221408],
        [-0.56089297, 0.71832671, 0.41158938],
    ]
)
"""Principal components of the pixels of COCO: one per column, for colors in 0..1."""

ROWS = 32
"""Rows processed at once; at the width of a network's input they fit the cache."""

BLENDS = ('brightness', 'contrast', 'saturation')


class ColorDraws(NamedTuple):
    """Random parameters of the augmentation of an image.

    Attributes:
        blends: Names of ``BLENDS``, each with the share that the image keeps, in the
            order in which they are applied. Shares above 1 move away from the other
            image.
        lights: (3,) how much of each principal component is added.
    """

    blends: Sequence[tuple[str, float]]
    lights: np.ndarray


def color_matrix(draws: ColorDraws, mean_gray: float) -> np.ndarray:
    """Returns the whole augmentation as one map.

    Args:
        draws: The random parameters.
        mean_gray: Mean gray value of the image.

    Returns:
        (3, 4) matrix that maps (B, G, R, 1) to B, G, R.
    """
    others = dict.fromkeys(BLENDS, np.zeros((3, 4)))
    others['contrast'] = _map(shift=mean_gray)
    others['saturation'] = _map(linear=np.tile(GRAY_WEIGHTS, (3, 1)))
    matrix = _map(linear=np.eye(3))
    for name, share in draws.blends:
        matrix = share * matrix + (1 - share) * others[name]
    return matrix + _map(shift=WHITE * LIGHT_VECTORS @ (LIGHT_VALUES * draws.lights))


def _map(
    linear: np.ndarray | float = 0.0, shift: np.ndarray | float = 0.0
) -> np.ndarray:
    """Builds a (3, 4) map from its two parts."""
    matrix = np.empty((3, 4))
    matrix[:, :3], matrix[:, 3] = linear, shift
    return matrix


def change_colors(image: np.ndarray, draws: ColorDraws) -> np.ndarray:
    """Augments the colors of an image.

    It works channel by channel and on a few rows at a time, which stay in the cache.
    The result has the memory layout of a network's input, so packing copies nothing.

    Args:
        image: (H, W, 3) uint8 or float32, colors in 0..255.
        draws: The random parameters.

    Returns:
        (H, W, 3) float32, a view of a (3, H, W) array; colors may leave 0..255.
    """
    mean_gray = float(GRAY_WEIGHTS @ cv2.mean(image)[:3])
    matrix = color_matrix(draws, mean_gray)
    planes = np.empty((3, *image.shape[:2]), dtype=np.float32)
    for top in range(0, len(image), ROWS):
        rows = image[top : top + ROWS].astype(np.float32, copy=False)
        for plane, weights in zip(planes, matrix, strict=True):
            cv2.transform(rows, weights[None], dst=plane[top : top + ROWS])
    return planes.transpose(1, 2, 0)
