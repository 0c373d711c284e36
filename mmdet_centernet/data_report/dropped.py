"""Which boxes of a file are never learned, and why?"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmdet_centernet.data_report.annotation_file import Annotations

KEPT = ''


def why_dropped(annotations: Annotations) -> np.ndarray:
    """The reason for which mmdet's loading or the target assigner leaves out each box.

    Args:
        annotations: The file.

    Returns:
        (N,) texts; empty for boxes that are kept.
    """
    reasons = np.full(len(annotations.boxes), KEPT, dtype='<U32')
    for reason, applies in _rules(annotations).items():
        reasons[(reasons == KEPT) & applies] = reason
    return reasons


def _rules(annotations: Annotations) -> dict[str, np.ndarray]:
    """Reason to the (N,) boxes to which it applies; the first one counts."""
    boxes = annotations.boxes
    with np.errstate(invalid='ignore'):
        sides = boxes[:, 2:] - boxes[:, :2]
        shown = visible_boxes(annotations)
        return {
            'not a finite number': ~np.isfinite(boxes).all(axis=1),
            'no width or height': (sides <= 0).any(axis=1),
            'outside the image': (shown[:, 2:] <= shown[:, :2]).any(axis=1),
            'thinner than a pixel': annotations.is_coco & (sides < 1).any(axis=1),
            'an area of 0 in the file': annotations.areas <= 0,
            'marked with ignore': annotations.hidden,
            'a category outside metainfo': ~np.isin(
                annotations.names, np.array(annotations.classes, str)
            ),
        }


def visible_boxes(annotations: Annotations) -> np.ndarray:
    """(N, 4) boxes, cut off at the borders of their images."""
    limits = annotations.image_sizes[annotations.images]
    return np.clip(annotations.boxes, 0, np.hstack([limits, limits]))


def count_classes(annotations: Annotations) -> dict[str, int]:
    """How many boxes of each class can be learned; crowds are none."""
    learned = annotations.names[
        (why_dropped(annotations) == KEPT) & ~annotations.crowds
    ]
    return {name: int((learned == name).sum()) for name in annotations.classes}


def count_categories(annotations: Annotations) -> dict[Any, int]:
    """How many boxes, crowds or not, have each category id of a COCO file."""
    counts = dict.fromkeys(annotations.category_ids, 0)
    if annotations.kinds is not None:
        for place, id_ in enumerate(annotations.category_ids):
            counts[id_] += int((annotations.kinds == place).sum())
    return counts
