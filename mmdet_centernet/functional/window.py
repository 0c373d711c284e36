"""The window of an image that the network sees.

A window is a square of the image, given by its center and side in pixels and optionally
rotated around the center. It is scaled to the width of the view; the height of the view
may show more or less than the square, around the same center. Matrices are 3x3 float64
and map column vectors (x, y, 1) from pixels of the image to pixels of the view. Integer
coordinates are centers of pixels.
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
    """Returns the matrix that scales a window of the image to the width of the view.

    The map is solved from three points in float32, as for the published weights;
    rounding changes it by about a millionth of its largest entry.

    Args:
        center: x, y of the window's center, which is mapped to the center of the view.
        side: Side of the window.
        size: Width and height of the view.
        angle: Degrees by which the window is rotated clockwise. Its content rotates
            counterclockwise.

    Returns:
        (3, 3) matrix: ``k * R @ (point - center) + size / 2`` with ``k = width / side``
        and ``R`` the rotation by ``-angle``.
    """
    middle = np.asarray(size, dtype=np.float32) / 2
    corners = ANCHORS * np.float32(side / 2) @ _rotation(angle).T
    source = np.asarray(center, dtype=np.float32) + corners  # (3, 2)
    target = middle + ANCHORS * np.float32(size[0] / 2)  # (3, 2)
    return np.vstack([cv2.getAffineTransform(source, target), [0, 0, 1]])


def _rotation(angle: float) -> np.ndarray:
    """Returns the (2, 2) float32 rotation from the x axis toward the y axis."""
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    return np.array([[cosine, -sine], [sine, cosine]], dtype=np.float32)


def flip_matrix(width: int) -> np.ndarray:
    """Returns the matrix of a horizontal flip: the first column becomes the last.

    It moves boxes one pixel further left than mmdet's flip, which takes integer
    coordinates as edges of pixels (``width - x``).

    Args:
        width: Width of the image.

    Returns:
        (3, 3) matrix.
    """
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def padded_length(length: int, pad: int) -> int:
    """Returns the next multiple of ``pad + 1`` above a length.

    A multiple of ``pad + 1`` grows by ``pad + 1``, as in the official code.

    Args:
        length: Width or height in pixels.
        pad: One less than a power of two.
    """
    return (length | pad) + 1


def crop_margin(border: int, length: int) -> int:
    """Returns the distance of a random window's center from both ends of the image.

    The desired distance is halved until the two margins leave some room between them
    (CornerNet, arXiv 1808.01244).

    Args:
        border: Desired distance in pixels.
        length: Width or height of the image, at least 1.

    Returns:
        Less than half the length.
    """
    margin = border
    while length - margin <= margin:
        margin //= 2
    return margin
