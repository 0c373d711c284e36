"""Which settings suit the data? Pure functions of numbers, each with its rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MULTIPLE = 32
"""Of the sides of the input: the stride of the backbone's coarsest map."""
STRIDE = 4
"""Pixels of a cell."""
CELLS = 2
"""On the shorter side of an object, for nine of ten objects."""
TOO_SMALL = 0.1
LEAST_SIDE, MOST_SIDE = 320, 1024
"""Of the longer side of the input. 320 is what the recipe was measured with."""
MIXED = 0.1
"""Share of images that stand among lying ones, or the reverse, from which on crops
have to fit both."""

KILOBYTES_A_PIXEL = {18: 1.0, 34: 1.5, 50: 3.0, 101: 4.5, 152: 6.0}
"""Depth of a ResNet to the memory of a training step for each pixel of the batch:
measured as 0.7, 1.4, 2.5 and 3.5 up to depth 101 at 320 x 256."""
SHARE_OF_MEMORY = 0.5
MOST_ON_CPU, MOST_ON_GPU = 8, 16
"""8 is what the recipe was measured with; a CPU gains nothing from more."""

STEPS_ON_CPU, STEPS_ON_GPU = 1000, 2000
LEAST_EPOCHS, MOST_EPOCHS = 8, 300
WARM_UP = 50
VALIDATIONS = 8

MOST_UNIT = 64
TOPK = 100


def choose_scale(
    sides: np.ndarray, image_size_of_object: np.ndarray, image_sizes: np.ndarray
) -> tuple[int, int]:
    """The smallest input on which nine of ten objects are large enough.

    Args:
        sides: (N, 2) shorter and longer sides of objects in pixels.
        image_size_of_object: (N, 2) width and height of the image of each object.
        image_sizes: (I, 2) width and height of all images.

    Returns:
        Width and height that images are fitted into, multiples of 32: the longer side
        within 320 to 1024 and no larger than that of the median image; the shorter one
        by the shape of the median image.
    """
    width, height = np.median(image_sizes, axis=0)
    longer, shorter = max(width, height), min(width, height)
    needed = needed_side(sides, image_size_of_object)
    largest = max(math.floor(min(longer, MOST_SIDE) / MULTIPLE) * MULTIPLE, MULTIPLE)
    side = min(max(round_up(needed), LEAST_SIDE), largest)
    other = min(round_up(side * shorter / longer), side)
    return (side, other) if width >= height else (other, side)


def needed_side(sides: np.ndarray, image_size_of_object: np.ndarray) -> float:
    """The longer side of the input at which nine of ten objects are large enough.

    Args:
        sides: (N, 2) shorter and longer sides of objects in pixels.
        image_size_of_object: (N, 2) width and height of the image of each object.
    """
    relative = sides[:, 0] / image_size_of_object.max(axis=1)
    return CELLS * STRIDE / float(np.quantile(relative, TOO_SMALL))


def round_up(side: float) -> int:
    """The next multiple of 32."""
    return math.ceil(side / MULTIPLE - 1e-9) * MULTIPLE


def scale_factors(image_sizes: np.ndarray, scale: Sequence[int]) -> np.ndarray:
    """How much smaller or larger images become in the input.

    Args:
        image_sizes: (N, 2) width and height.
        scale: Width and height of the input; as in mmdet the longer of them limits the
            longer side of an image, the shorter one the shorter.

    Returns:
        (N,) factors.
    """
    return (np.array(sorted(scale)) / np.sort(image_sizes, axis=1)).min(axis=1)


def too_small(sides: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Which objects have fewer than two cells on the shorter side.

    Args:
        sides: (N, 2) shorter and longer sides of objects in pixels of their images.
        factors: (N,) by which they shrink.

    Returns:
        (N,) bool.
    """
    return sides[:, 0] * factors < CELLS * STRIDE - 1e-6


def choose_crop(scale: Sequence[int], image_sizes: np.ndarray) -> tuple[int, int]:
    """Width and height of the crops of training, multiples of 32.

    Args:
        scale: Width and height that images are fitted into.
        image_sizes: (I, 2) width and height of images.

    Returns:
        The size of the input, portrait where nearly all images stand; a square of its
        longer side where both lying and portrait images are common.
    """
    low, high = sorted(round_up(side) for side in scale)
    portrait = float((image_sizes[:, 1] > image_sizes[:, 0]).mean())
    if MIXED < portrait < 1 - MIXED:
        return high, high
    return (low, high) if portrait > MIXED else (high, low)


def choose_batch_size(
    crop: Sequence[int], depth: int, free: int, *, on_gpu: bool
) -> int:
    """The power of 2 of which a training step takes at most half of the memory.

    Args:
        crop: Width and height of the input.
        depth: Of the ResNet.
        free: Bytes.
        on_gpu: Whether it is a GPU's.

    Returns:
        1 to 8 images, on a GPU to 16.
    """
    image = crop[0] * crop[1] * KILOBYTES_A_PIXEL[depth] * 1024
    fitting = max(free * SHARE_OF_MEMORY / image, 1)
    most = MOST_ON_GPU if on_gpu else MOST_ON_CPU
    return min(2 ** math.floor(math.log2(fitting)), most)


def choose_epochs(num_images: int, batch_size: int, *, on_gpu: bool) -> int:
    """So many that there are about 1,000 steps, on a GPU 2,000, within 8 to 300."""
    steps = STEPS_ON_GPU if on_gpu else STEPS_ON_CPU
    epochs = round(steps / iterations(num_images, batch_size))
    return min(max(epochs, LEAST_EPOCHS), MOST_EPOCHS)


def iterations(num_images: int, batch_size: int) -> int:
    """Of an epoch."""
    return math.ceil(num_images / batch_size)


def choose_warm_up(total: int) -> int:
    """Iterations in which the learning rate rises: 50, at most a tenth of all."""
    return max(min(WARM_UP, total // 10), 1)


def choose_val_interval(epochs: int) -> int:
    """Epochs from one validation to the next, so that there are about eight."""
    return max(round(epochs / VALIDATIONS), 1)


def choose_wh_unit(longer_sides: np.ndarray) -> float:
    """The number of cells in which the head gives widths and heights.

    Args:
        longer_sides: (N,) of objects in pixels of the input.

    Returns:
        The power of 2 closest to half of the largest objects (the largest hundredth
        apart), within 1 to 64: 16 for cells of blood, as in the fast recipe.
    """
    largest = max(float(np.quantile(longer_sides, 0.99)) / STRIDE, 1)
    return float(min(max(2 ** round(math.log2(largest / 2)), 1), MOST_UNIT))


def choose_topk(most: int) -> int:
    """Detections of an image: 100 as usual, or double the objects of the fullest."""
    return TOPK if most * 2 <= TOPK else math.ceil(most * 2 / TOPK) * TOPK
