"""Which window of an image does the network see.

A window is a square of the image, given by its center and side in pixels, perhaps
turned around the center. It is scaled to the width of the view; in height the view
shows more or less than the square, around the same center. Matrices are 3x3 float64 and
map column vectors (x, y, 1), from pixels of the image to pixels of the view. Integer
coordinates are middles of pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

ANCHORS = np.array([[0, 0], [0, -1], [-1, -1]], dtype=np.float32)
"""Center, middle of the upper edge and upper left corner, in half sides."""


def window_matrix(
    center: tuple[float, float],
    side: float,
    size: tuple[int, int],
    angle: float = 0.0,
) -> np.ndarray:
    """Scale a window of the image to the width of the view.

    The map is solved from three points in float32, as the published weights know it;
    rounding moves it by about a millionth of its largest entry.

    Args:
        center: x, y of the window's center, which comes to the middle of the view.
        side: Side of the window.
        size: Width and height of the view.
        angle: Degrees by which the window is turned, clockwise as seen. What it shows
            is turned the other way.

    Returns:
        (3, 3) matrix: ``k * R @ (point - center) + size / 2`` with ``k = width / side``
        and ``R`` the rotation by ``-angle``.
    """
    middle = np.asarray(size, dtype=np.float32) / 2
    corners = ANCHORS * np.float32(side / 2) @ _rotation(angle).T
    seen = np.asarray(center, dtype=np.float32) + corners
    shown = middle + ANCHORS * np.float32(size[0] / 2)
    return np.vstack([cv2.getAffineTransform(seen, shown), [0, 0, 1]])


def _rotation(angle: float) -> np.ndarray:
    """(2, 2) float32: the x axis towards the y axis, by degrees."""
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    return np.array([[cosine, -sine], [sine, cosine]], dtype=np.float32)


def flip_matrix(width: int) -> np.ndarray:
    """Returns the matrix of a horizontal flip: the first column becomes the last.

    Boxes sent through it lie one pixel further left than with mmdet's flip, which
    takes integer coordinates as edges of pixels (``width - x``).

    Args:
        width: Width of the image.

    Returns:
        (3, 3) matrix.
    """
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def padded_length(length: int, pad: int) -> int:
    """The next multiple of ``pad + 1`` above a length.

    A length that is a multiple already grows by a whole step.

    Args:
        length: Width or height in pixels.
        pad: One less than a power of two.
    """
    return (length | pad) + 1


def crop_margin(border: int, length: int) -> int:
    """How far the center of a random window stays from both ends of the image.

    The wanted distance is halved until some room is left between the two margins
    (CornerNet, arXiv 1808.01244).

    Args:
        border: Wanted distance in pixels.
        length: Width or height of the image, at least 1.

    Returns:
        Less than half the length.
    """
    margin = border
    while length - margin <= margin:
        margin //= 2
    return margin
