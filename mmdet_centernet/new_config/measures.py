"""How large are photos and the objects on them?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmdet_centernet.new_config.checks import corners_and_limits, sizes
from mmdet_centernet.new_config.split import Split

LEAST = 1
"""Pixels: mmdet leaves out boxes that are thinner."""


@dataclass(frozen=True)
class Measures:
    """Numbers about the photos of training.

    Attributes:
        photo_sizes: (I, 2) width and height of the photos.
        sides: (N, 2) shorter and longer side of the objects that can be learned.
        photos: (N, 2) width and height of the photo of each object.
        names: (N,) class of each object.
        most: Objects on the photo that has most of them.
        num_unlearned: Boxes that are not learned: crowds, and what lies outside the
            photo or is thinner than a pixel.
    """

    photo_sizes: np.ndarray
    sides: np.ndarray
    photos: np.ndarray
    names: np.ndarray
    most: int
    num_unlearned: int


def measure(split: Split) -> Measures:
    """Measure the photos and objects of a split."""
    boxes, limits = corners_and_limits(split)
    notes = split.content['annotations']
    sides = np.sort(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = (boxes[:, :2] < limits).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    crowd = np.array([bool(n.get('iscrowd') or n.get('ignore')) for n in notes], bool)
    kept = (sides[:, 0] >= LEAST) & inside & ~crowd
    counts = Counter(note['image_id'] for note in notes)
    return Measures(
        photo_sizes=sizes(split),
        sides=sides[kept],
        photos=limits[kept],
        names=_names(split)[kept],
        most=max(counts.values(), default=0),
        num_unlearned=int((~kept).sum()),
    )


def _names(split: Split) -> np.ndarray:
    """(number of boxes,) names of their categories."""
    names = {one['id']: one['name'] for one in split.content['categories']}
    notes = split.content['annotations']
    return np.array([names[note['category_id']] for note in notes], str)
