"""The annotations of one file, and which of its boxes are left out of training.

Legend: I images, K categories, N boxes. Boxes are x1, y1, x2, y2 in pixels of the
image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmdet_centernet.data_report.images import OPENCV

UNLISTED = -1
"""Category index of a box whose category the file does not list."""
KEPT = ''
"""Reason of boxes that are not left out."""


@dataclass(frozen=True)
class Annotations:
    """All boxes of one annotation file, before mmdet filters them.

    Attributes:
        source: The file.
        classes: The classes of the config, in the order of ``metainfo``.
        categories: K names in the order of the file; names may repeat.
        image_paths: I paths.
        image_sizes: (I, 2) width and height; NaN if unknown.
        boxes: (N, 4) float64, as in the file.
        image_index: (N,) int64 image of each box.
        names: (N,) category name of each box; empty if the file has no such category.
        crowds: (N,) bool, ignored regions: COCO's crowds, VOC's difficult objects.
        areas: (N,) area as in the file.
        ignored: (N,) bool, boxes that the file marks with ``ignore`` (COCO), or smaller
            than mmdet's ``bbox_min_size`` (VOC).
        is_coco: Whether the file has COCO's format.
        category_ids: K ids, if the format has ids.
        category_index: (N,) int64 index into the K categories, or ``UNLISTED``; None if
            the format has no ids.
        has_annotations: False for a file without a list of annotations, as test sets
            may have.
        findings: Faulty entries of the file.
        evaluation_findings: Entries that disturb an evaluation on this file.
        is_evaluated: Whether validation or test use the file.
        has_local_images: Whether the images lie in the local file system.
        decoder: The pipeline's ``imdecode_backend``.
    """

    source: str
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    image_paths: tuple[str, ...]
    image_sizes: np.ndarray
    boxes: np.ndarray
    image_index: np.ndarray
    names: np.ndarray
    crowds: np.ndarray
    areas: np.ndarray
    ignored: np.ndarray
    is_coco: bool
    category_ids: tuple[Any, ...] = ()
    category_index: np.ndarray | None = None
    has_annotations: bool = True
    findings: tuple[str, ...] = ()
    evaluation_findings: tuple[str, ...] = ()
    is_evaluated: bool = False
    has_local_images: bool = True
    decoder: str = OPENCV


def drop_reasons(file: Annotations) -> np.ndarray:
    """Returns why mmdet's loading or the target assigner leaves out each box.

    Args:
        file: The annotations.

    Returns:
        (N,) texts; ``KEPT`` for boxes that are kept.
    """
    reasons = np.full(len(file.boxes), KEPT, dtype='<U32')
    for reason, applies in _rules(file).items():
        reasons[(reasons == KEPT) & applies] = reason
    return reasons


def _rules(file: Annotations) -> dict[str, np.ndarray]:
    """Returns the (N,) bool mask of each reason; the first that applies counts."""
    boxes = file.boxes
    with np.errstate(invalid='ignore'):
        sides = boxes[:, 2:] - boxes[:, :2]
        visible = _clip(file)
        return {
            'not a finite number': ~np.isfinite(boxes).all(axis=1),
            'no width or height': (sides <= 0).any(axis=1),
            'outside the image': (visible[:, 2:] <= visible[:, :2]).any(axis=1),
            'thinner than a pixel': file.is_coco & (sides < 1).any(axis=1),
            'an area of 0 in the file': file.areas <= 0,
            'marked with ignore': file.ignored & file.is_coco,
            'below filter_cfg.bbox_min_size': file.ignored & (not file.is_coco),
            'a category outside metainfo': ~np.isin(
                file.names, np.array(file.classes, str)
            ),
        }


def _clip(file: Annotations) -> np.ndarray:
    """Returns (N, 4) boxes clipped to their images."""
    limits = file.image_sizes[file.image_index]
    return np.clip(file.boxes, 0, np.hstack([limits, limits]))


def count_classes(file: Annotations) -> dict[str, int]:
    """Counts the boxes of each class that training uses, without crowds."""
    names = file.names[(drop_reasons(file) == KEPT) & ~file.crowds]
    return {name: int((names == name).sum()) for name in file.classes}


def count_categories(file: Annotations) -> dict[Any, int]:
    """Counts the boxes, with crowds, of each category id of a COCO file."""
    counts = dict.fromkeys(file.category_ids, 0)
    if file.category_index is not None:
        for index, id_ in enumerate(file.category_ids):
            counts[id_] += int((file.category_index == index).sum())
    return counts


def rows(values: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    """Returns a (len(values), columns) float64 array, also of no rows."""
    return np.array(values, float).reshape(-1, columns)


def is_float64(value: Any) -> bool:
    """Returns whether a value is a real number that fits a float64."""
    try:
        return isinstance(value, Real) and isinstance(float(value), float)
    except OverflowError:
        return False


def is_box(box: Any) -> bool:
    """Returns whether a value is a list or an array of four numbers."""
    is_row = isinstance(box, list | tuple) or np.ndim(box) == 1
    return is_row and len(box) == 4 and all(map(is_float64, box))


def local_images(dataset: BaseDataset, paths: Iterable[str]) -> bool:
    """Returns whether images lie in the local file system, not on a server."""
    backend = (getattr(dataset, 'backend_args', None) or {}).get('backend', 'local')
    return backend == 'local' and not any('://' in path for path in paths)
