"""Are boxes written in another form than COCO's x, y, width and height in pixels?"""

from __future__ import annotations

import numpy as np

OFTEN = 0.1
"""Share of boxes beyond their image from which on they are doubted."""


def doubt_fractions(boxes: np.ndarray) -> list[str]:
    """Whether boxes seem to be fractions of their image.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 of boxes on images of more than a pixel.

    Returns:
        At most one sentence, with what to do.
    """
    finite = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(finite) or finite.max() > 1:
        return []
    return [
        'no coordinate is larger than 1, so boxes seem to be fractions of the image. '
        'They have to be in pixels: multiply x and width by the width of the image, y '
        'and height by its height'
    ]


def doubt_sizes(boxes: np.ndarray, limits: np.ndarray) -> list[str]:
    """Whether widths and heights seem to be corners.

    Args:
        boxes: (N, 4) x1, y1, x2, y2, made of what may be x, y, width and height.
        limits: (N, 2) width and height of the image of each.

    Returns:
        At most one sentence, with what to do.
    """
    if not len(boxes):
        return []
    beyond = (boxes[:, 2:] > limits + 1).any(axis=1).mean()
    if beyond <= OFTEN:
        return []
    return [
        f'{beyond:.0%} of the boxes reach beyond their image. COCO wants x, y, '
        'width, height; are these x1, y1, x2, y2?'
    ]
