"""What in photos and boxes would spoil a training?"""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping

import numpy as np

from mmdet_centernet.data_report.annotation_findings import (
    check_corners,
    check_fractions,
)
from mmdet_centernet.data_report.findings import some
from mmdet_centernet.data_report.images import broken_images, other_sizes
from mmdet_centernet.new_config.categories import check_equal, double_names
from mmdet_centernet.new_config.split import Split


def check(splits: Mapping[str, Split]) -> None:
    """Look at photos and boxes.

    Args:
        splits: ``train``, ``val`` and perhaps ``test``.

    Raises:
        ValueError: If a training would fail or learn nonsense. The message names all
            that was found, with what to do.
    """
    found = [
        f'{split.source or name}: {text}'
        for name, split in splits.items()
        for text in find_faults(split)
    ]
    if found:
        raise ValueError('\n'.join(['this would spoil the training:', *found]))
    check_equal(splits)


def find_faults(split: Split) -> list[str]:
    """What is wrong with a split.

    Returns:
        Sentences, each with what to do.
    """
    return [
        *double_names(split),
        *_missing(split),
        *_broken(split),
        *_other_sizes(split),
        *_boxes(split),
    ]


def _missing(split: Split) -> list[str]:
    missing = [path for path in split.paths if not osp.isfile(path)]
    if not missing:
        return []
    return [
        f'{len(missing)} of {len(split.paths)} photos are missing: {some(missing)}. '
        'Copy them there, or take them out of the file'
    ]


def _broken(split: Split) -> list[str]:
    broken = broken_images(split.paths)
    if not broken:
        return []
    path, why = next(iter(broken.items()))
    return [
        f'{len(broken)} of {len(split.paths)} photos cannot be read: '
        f'{some(list(broken))} ({path}: {why}). Copy them once more, or take them away'
    ]


def _other_sizes(split: Split) -> list[str]:
    others = other_sizes(split.paths, sizes(split).astype(float))
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{len(others)} photos are not as large as is written with their boxes, which '
        f'may lie elsewhere then: {some(list(others))} ({path} has {width} x {height} '
        'pixels). Write the true size; where width and height are exchanged the photo '
        'is turned by its EXIF tag, and boxes have to be those of the upright photo'
    ]


def sizes(split: Split) -> np.ndarray:
    """(I, 2) width and height of the I images, as the file says."""
    rows = [(one['width'], one['height']) for one in split.content['images']]
    return np.array(rows, float).reshape(-1, 2)


def corners_and_limits(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) x1, y1, x2, y2 of all N boxes, and (N, 2) sizes of their images."""
    notes = split.content['annotations']
    boxes = np.array([note['bbox'] for note in notes], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    places = {one['id']: i for i, one in enumerate(split.content['images'])}
    return boxes, sizes(split)[[places[note['image_id']] for note in notes]]


def _boxes(split: Split) -> list[str]:
    boxes, limits = corners_and_limits(split)
    if not len(boxes):
        return ['there are no boxes: nothing can be learned or tested']
    return check_fractions(boxes) or check_corners(boxes, limits)
