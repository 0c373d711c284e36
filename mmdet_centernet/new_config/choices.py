"""Rules that choose settings: pure functions of sizes and counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MULTIPLE = 32
"""Input sides are multiples of this: the stride of the backbone's last map."""
STRIDE = 4
"""Input pixels per cell."""
CELLS = 2
"""Least number on the shorter side of an object, for nine of ten objects."""
TOO_SMALL = 0.1
LEAST_SIDE, MOST_SIDE = 320, 1024
"""Limits of the longer side of the input. The recipe was measured with 320."""
MIXED = 0.1
"""Share of portrait among landscape images, or the reverse, from which crops are
square."""

SHARE_OF_MEMORY = 0.5
MOST_ON_CPU, MOST_ON_GPU = 4, 8
"""The recipe was measured with 4: in the same epochs, twice the steps of 8."""

STEPS_ON_CPU, STEPS_ON_GPU = 1000, 2000
LEAST_EPOCHS, MOST_EPOCHS = 8, 300
WARM_UP = 50
VALIDATIONS = 8

MOST_UNIT = 64
TOPK = 100


def choose_scale(
    sides: np.ndarray, image_size_of_object: np.ndarray, image_sizes: np.ndarray
) -> tuple[int, int]:
    """Chooses the smallest input size at which nine of ten objects are large enough.

    Args:
        sides: (N, 2) shorter and longer side of each object in pixels.
        image_size_of_object: (N, 2) width and height of the image of each object.
        image_sizes: (I, 2) width and height of all images.

    Returns:
        Width and height that images are fitted into, multiples of 32. The longer side
        is within 320 to 1024 and at most that of the median image; the shorter one
        follows the aspect ratio of the median image.
    """
    width, height = np.median(image_sizes, axis=0)
    longer, shorter = max(width, height), min(width, height)
    needed = needed_side(sides, image_size_of_object)
    largest = max(math.floor(min(longer, MOST_SIDE) / MULTIPLE) * MULTIPLE, MULTIPLE)
    side = min(max(round_up(needed), LEAST_SIDE), largest)
    other = min(round_up(side * shorter / longer), side)
    return (side, other) if width >= height else (other, side)


def needed_side(sides: np.ndarray, image_size_of_object: np.ndarray) -> float:
    """Computes the longer input side at which nine of ten objects are large enough.

    Args:
        sides: (N, 2) shorter and longer side of each object in pixels.
        image_size_of_object: (N, 2) width and height of the image of each object.
    """
    relative = sides[:, 0] / image_size_of_object.max(axis=1)
    return CELLS * STRIDE / float(np.quantile(relative, TOO_SMALL))


def round_up(side: float) -> int:
    """Rounds up to a multiple of 32."""
    return math.ceil(side / MULTIPLE - 1e-9) * MULTIPLE


def scale_factors(image_sizes: np.ndarray, scale: Sequence[int]) -> np.ndarray:
    """Computes the factors by which images are resized to fit the input.

    Args:
        image_sizes: (N, 2) width and height.
        scale: Width and height of the input. As in mmdet, the longer one limits the
            longer side of an image and the shorter one the shorter side.

    Returns:
        (N,) factors.
    """
    return (np.array(sorted(scale)) / np.sort(image_sizes, axis=1)).min(axis=1)


def too_small(sides: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Finds objects with fewer than two cells on the shorter side.

    Args:
        sides: (N, 2) shorter and longer side of each object in pixels of its image.
        factors: (N,) resize factors.

    Returns:
        (N,) bool.
    """
    return sides[:, 0] * factors < CELLS * STRIDE - 1e-6


def choose_crop(scale: Sequence[int], image_sizes: np.ndarray) -> tuple[int, int]:
    """Chooses width and height of the training crops, multiples of 32.

    Args:
        scale: Width and height that images are fitted into.
        image_sizes: (I, 2) width and height of images.

    Returns:
        The input size, in portrait format if nearly all images are; a square of its
        longer side if both portrait and landscape images are common.
    """
    low, high = sorted(round_up(side) for side in scale)
    portrait = float((image_sizes[:, 1] > image_sizes[:, 0]).mean())
    if MIXED < portrait < 1 - MIXED:
        return high, high
    return (low, high) if portrait > MIXED else (high, low)


def choose_batch_size(
    crop: Sequence[int], kilobytes_per_pixel: float, free: int, *, on_gpu: bool
) -> int:
    """Chooses a power of 2 so that a training step takes at most half of the memory.

    Args:
        crop: Width and height of the input.
        kilobytes_per_pixel: Memory of a training step per pixel of the batch.
        free: Free memory in bytes.
        on_gpu: Whether it is the memory of a GPU.

    Returns:
        1 to 4 images, on a GPU up to 8.
    """
    image = crop[0] * crop[1] * kilobytes_per_pixel * 1024
    fitting = max(free * SHARE_OF_MEMORY / image, 1)
    most = MOST_ON_GPU if on_gpu else MOST_ON_CPU
    return min(2 ** math.floor(math.log2(fitting)), most)


def choose_epochs(num_images: int, batch_size: int, *, on_gpu: bool) -> int:
    """Chooses 8 to 300 epochs, for about 1,000 steps, on a GPU 2,000."""
    steps = STEPS_ON_GPU if on_gpu else STEPS_ON_CPU
    epochs = round(steps / iterations(num_images, batch_size))
    return min(max(epochs, LEAST_EPOCHS), MOST_EPOCHS)


def iterations(num_images: int, batch_size: int) -> int:
    """Counts the steps of an epoch."""
    return math.ceil(num_images / batch_size)


def choose_warm_up(total: int) -> int:
    """Chooses the steps of warm-up: 50, at most a tenth of all."""
    return max(min(WARM_UP, total // 10), 1)


def choose_val_interval(epochs: int) -> int:
    """Chooses the epochs between validations, for about eight of them."""
    return max(round(epochs / VALIDATIONS), 1)


def choose_wh_unit(longer_sides: np.ndarray) -> float:
    """Chooses ``wh_unit``, the unit in cells of the head's widths and heights.

    Args:
        longer_sides: (N,) longer side of each object in pixels of the input.

    Returns:
        The power of 2 closest to half the 0.99 quantile of the sizes, within 1 to 64:
        16 for blood cells, as in the fast recipe.
    """
    largest = max(float(np.quantile(longer_sides, 0.99)) / STRIDE, 1)
    return float(min(max(2 ** round(math.log2(largest / 2)), 1), MOST_UNIT))


def choose_topk(most: int) -> int:
    """Chooses the detections per image: 100, or twice the most objects of an image."""
    return TOPK if most * 2 <= TOPK else math.ceil(most * 2 / TOPK) * TOPK
