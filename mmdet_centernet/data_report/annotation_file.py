"""The content of an annotation file, before mmdet leaves anything out.

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
"""Stands for a category that a file does not list."""


@dataclass(frozen=True)
class Annotations:
    """The boxes of one annotation file.

    Attributes:
        source: The file.
        classes: What the config calls the classes, in the order of ``metainfo``.
        categories: K names that the file gives, in its order, maybe one twice.
        image_paths: I paths.
        image_sizes: (I, 2) width and height; NaN where they are not known.
        boxes: (N, 4) float64, as they stand there.
        images: (N,) int64 image of each box.
        names: (N,) category of each box; empty where the file does not name it.
        crowds: (N,) bool, regions that are ignored on purpose: COCO's crowds, VOC's
            difficult objects.
        areas: (N,) what the file gives as the area.
        hidden: (N,) bool, boxes that the file itself marks with ``ignore``.
        is_coco: Whether the file is COCO's; else it is a list of VOC's or another.
        category_ids: K ids of the categories, where the format has ids.
        kinds: (N,) int64 place of each box's category among the K, ``UNLISTED`` where
            there is none; None where the format has no ids.
        has_annotations: Whether there is a place for boxes: a file of test images alone
            may lack it.
        findings: What is wrong with entries of the file, in sentences.
        evaluation_findings: What is wrong with it if results are evaluated on it.
        is_evaluated: Whether validation or test use it.
        has_local_images: Whether images are files that can be looked at here.
        decoder: What the pipeline reads them with, by the name that mmcv has for it.
    """

    source: str
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    image_paths: tuple[str, ...]
    image_sizes: np.ndarray
    boxes: np.ndarray
    images: np.ndarray
    names: np.ndarray
    crowds: np.ndarray
    areas: np.ndarray
    hidden: np.ndarray
    is_coco: bool
    category_ids: tuple[Any, ...] = ()
    kinds: np.ndarray | None = None
    has_annotations: bool = True
    findings: tuple[str, ...] = ()
    evaluation_findings: tuple[str, ...] = ()
    is_evaluated: bool = False
    has_local_images: bool = True
    decoder: str = OPENCV


def rows(values: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    """(number of rows, columns) float64, also where there is no row."""
    return np.array(values, float).reshape(-1, columns)


def is_number(value: Any) -> bool:
    """Whether an entry is a number, and none too large for one of 64 bits."""
    try:
        return isinstance(value, Real) and isinstance(float(value), float)
    except OverflowError:
        return False


def is_box(box: Any) -> bool:
    """Whether an entry is a list of four numbers."""
    return isinstance(box, list | tuple) and len(box) == 4 and all(map(is_number, box))


def local_images(dataset: BaseDataset, paths: Iterable[str]) -> bool:
    """Whether images lie in this file system, and not on a server."""
    backend = (getattr(dataset, 'backend_args', None) or {}).get('backend', 'local')
    return backend == 'local' and not any('://' in path for path in paths)
