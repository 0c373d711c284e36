"""Findings on annotation files: boxes, crowds and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmdet_centernet.data_report.annotations import KEPT, Annotations, drop_reasons
from mmdet_centernet.data_report.class_findings import (
    check_categories,
    check_examples,
    check_label_order,
    check_num_classes,
)
from mmdet_centernet.data_report.findings import some
from mmdet_centernet.data_report.image_findings import check_duplicates, check_images

MAX_SUSPICIOUS = 0.1
"""Larger shares of inverted boxes, of boxes beyond the image, or of crowds are a
finding."""
MAX_DIFFICULT = 0.5
"""The same for VOC's difficult objects; in VOC 2007 they are a fifth."""

Splits = Mapping[str, Sequence[Annotations]]
"""Split, such as ``train``, to its files."""


def check_all(splits: Splits, num_classes: int | None) -> list[str]:
    """Returns all findings on annotation files and their images.

    Args:
        splits: Files of ``train``, ``val`` and ``test``.
        num_classes: Number of classes of the head; None if unknown.
    """
    found = [text for files in splits.values() for f in files for text in check_file(f)]
    return found + check_splits(splits, num_classes) + check_duplicates(splits)


def check_file(file: Annotations) -> list[str]:
    """Returns findings on one file and its images."""
    checks = (
        _dropped_boxes,
        _fractions,
        _corners_as_sizes,
        _sizes_as_corners,
        _many_crowds,
        check_categories,
        check_images,
    )
    found = [text for check in checks for text in check(file)]
    return [*file.findings, *found]


def check_splits(splits: Splits, num_classes: int | None) -> list[str]:
    """Returns findings on the splits together.

    Args:
        splits: Files of ``train``, ``val`` and ``test``.
        num_classes: Number of classes of the head; None if unknown.
    """
    found = []
    for split, files in splits.items():
        evaluated = [f for f in files if split != 'train' or f.is_evaluated]
        found += [text for file in evaluated for text in file.evaluation_findings]
        found += check_num_classes(split, files, num_classes)
        found += check_examples(split, files)
    return found + check_label_order([f for files in splits.values() for f in files])


def check_fractions(boxes: np.ndarray) -> list[str]:
    """Checks whether boxes are fractions of their image instead of pixels.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 of boxes on images larger than one pixel.

    Returns:
        At most one finding.
    """
    finite = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(finite) or finite.max() > 1:
        return []
    return [
        'no coordinate is larger than 1, so boxes seem to be fractions of the image. '
        'Convert them to pixels: multiply x and width by the width of the image, y and '
        'height by its height'
    ]


def check_corners(boxes: np.ndarray, limits: np.ndarray) -> list[str]:
    """Checks whether widths and heights are coordinates of a corner instead.

    Args:
        boxes: (N, 4) x1, y1, x2, y2, computed as if boxes were x, y, width, height.
        limits: (N, 2) width and height of the image of each box.

    Returns:
        At most one finding.
    """
    if not len(boxes):
        return []
    beyond = (boxes[:, 2:] > limits + 1).any(axis=1).mean()
    if beyond <= MAX_SUSPICIOUS:
        return []
    return [
        f'{beyond:.0%} of the boxes extend beyond their image. COCO boxes are x, y, '
        'width, height; are these x1, y1, x2, y2?'
    ]


def _dropped_boxes(file: Annotations) -> list[str]:
    reasons = drop_reasons(file)
    found = []
    for reason in sorted({*reasons.tolist()} - {KEPT}):
        images = np.unique(file.image_index[reasons == reason])
        names = [Path(file.image_paths[image]).name for image in images]
        found.append(
            f'{file.source}: {(reasons == reason).sum()} boxes are left out: {reason} '
            f'({some(names)})'
        )
    return found


def _fractions(file: Annotations) -> list[str]:
    if not (file.image_sizes > 1).any():
        return []
    return [f'{file.source}: {text}' for text in check_fractions(file.boxes)]


def _corners_as_sizes(file: Annotations) -> list[str]:
    if not file.is_coco:  # other formats have corners
        return []
    kept = drop_reasons(file) == KEPT
    limits = file.image_sizes[file.image_index]
    found = check_corners(file.boxes[kept], limits[kept])
    return [f'{file.source}: {text}' for text in found]


def _sizes_as_corners(file: Annotations) -> list[str]:
    if file.is_coco or not len(file.boxes):
        return []
    inverted = (file.boxes[:, 2:] < file.boxes[:, :2]).any(axis=1).mean()
    if inverted <= MAX_SUSPICIOUS:
        return []
    return [
        f'{file.source}: {inverted:.0%} of the boxes have x2 < x1 or y2 < y1. Boxes of '
        'this format are x1, y1, x2, y2; are these x, y, width, height?'
    ]


def _many_crowds(file: Annotations) -> list[str]:
    """Annotation tools mark brush masks as crowds, because COCO stores both as RLE."""
    allowed = MAX_SUSPICIOUS if file.is_coco else MAX_DIFFICULT
    if not len(file.crowds) or file.crowds.mean() <= allowed:
        return []
    kind = 'crowds (iscrowd)' if file.is_coco else 'difficult or ignored'
    return [
        f'{file.source}: {file.crowds.mean():.0%} of the boxes are {kind}; training '
        f'and evaluation ignore them. Set {"iscrowd" if file.is_coco else "the mark"} '
        'to 0 for boxes that hold one object'
    ]
