"""What is suspicious about annotation files?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmdet_centernet.data_report.annotations import Annotations
from mmdet_centernet.data_report.dropped import (
    KEPT,
    count_classes,
    visible_boxes,
    why_dropped,
)
from mmdet_centernet.data_report.images import broken_images, other_sizes

FEW = 3
"""How many examples are named."""
OFTEN = 0.1
"""Share of boxes beyond the image from which on their format is doubted."""

Splits = Mapping[str, Sequence[Annotations]]
"""Split, such as ``train``, to its files."""


def suspect_file(annotations: Annotations) -> list[str]:
    """What is wrong with one file.

    Returns:
        Sentences, each with what to do.
    """
    checks = (
        _dropped,
        _fractions,
        _corners_as_sizes,
        _unknown_categories,
        _unnamed_categories,
        _absent_classes,
        _order_of_classes,
        _missing_images,
        _broken_images,
        _other_sizes,
    )
    return [text for check in checks for text in check(annotations)]


def suspect_splits(splits: Splits, num_classes: int) -> list[str]:
    """What is wrong with the splits together.

    Args:
        splits: Files of ``train``, ``val`` and ``test``.
        num_classes: Classes of the head.

    Returns:
        Sentences, each with what to do.
    """
    found = []
    for split, files in splits.items():
        found += [text for file in files for text in _cannot_evaluate(split, file)]
        counts = _total_counts(files)
        if files and len(counts) != num_classes:
            found.append(
                f'{split}: metainfo has {len(counts)} classes, the head {num_classes}: '
                'set num_classes of the head to the former'
            )
        empty = [name for name, count in counts.items() if not count]
        if empty:
            found.append(
                f'{split}: {len(empty)} of {len(counts)} classes have no example: '
                f'{_some(empty)}'
            )
    orders = {
        file.source: _labelled(file) for files in splits.values() for file in files
    }
    if len(set(orders.values())) > 1:
        found.append(
            'the files number the classes differently, so that what one teaches '
            'another does not test: '
            + '; '.join(f'{source}: {_some(names)}' for source, names in orders.items())
            + '. List the same categories in the same order in all files'
        )
    return found


def _cannot_evaluate(split: str, file: Annotations) -> list[str]:
    if split == 'train' or file.can_evaluate:
        return []
    return [
        f'{file.source}: some annotations have no iscrowd, without which pycocotools '
        'cannot evaluate: add "iscrowd": 0 to them'
    ]


def _total_counts(files: Sequence[Annotations]) -> dict[str, int]:
    counts = [count_classes(file) for file in files]
    return {name: sum(c.get(name, 0) for c in counts) for c in counts for name in c}


def _labelled(file: Annotations) -> tuple[str, ...]:
    """The categories in the order of their labels: for COCO mmdet takes the file's."""
    names = file.categories if file.is_coco else file.classes
    return tuple(name for name in names if name in file.classes)


def _dropped(file: Annotations) -> list[str]:
    reasons = why_dropped(file)
    found = []
    for reason in sorted({*reasons.tolist()} - {KEPT}):
        where = np.unique(file.images[reasons == reason])
        paths = [Path(file.image_paths[image]).name for image in where]
        found.append(
            f'{file.source}: {(reasons == reason).sum()} boxes are left out: {reason} '
            f'({_some(paths)})'
        )
    return found


def _fractions(file: Annotations) -> list[str]:
    finite = file.boxes[np.isfinite(file.boxes).all(axis=1)]
    if not len(finite) or finite.max() > 1 or file.image_sizes.min() <= 1:
        return []
    return [
        f'{file.source}: no coordinate is larger than 1, so boxes seem to be fractions '
        'of the image. They have to be in pixels: multiply x and width by the width of '
        'the image, y and height by its height'
    ]


def _corners_as_sizes(file: Annotations) -> list[str]:
    kept = why_dropped(file) == KEPT
    if not file.is_coco or not kept.any():  # VOC has corners
        return []
    beyond = (file.boxes > visible_boxes(file) + 1)[kept, 2:].any(axis=1)
    if beyond.mean() <= OFTEN:
        return []
    return [
        f'{file.source}: {beyond.mean():.0%} of the boxes reach beyond their image. '
        'COCO wants x, y, width, height; are these x1, y1, x2, y2?'
    ]


def _unknown_categories(file: Annotations) -> list[str]:
    others = [name for name in file.categories if name not in file.classes]
    if not others:
        return []
    return [
        f'{file.source}: metainfo lacks categories of the file, whose boxes are left '
        f'out: {_some(others)}. Add them to metainfo.classes, or leave them out on '
        'purpose'
    ]


def _unnamed_categories(file: Annotations) -> list[str]:
    count = int((file.names == '').sum())
    if not count:
        return []
    return [
        f'{file.source}: {count} boxes have a category_id that the list of categories '
        'lacks'
    ]


def _absent_classes(file: Annotations) -> list[str]:
    absent = [name for name in file.classes if name not in file.categories]
    if not absent:
        return []
    return [
        f'{file.source}: classes of metainfo that the file does not have: '
        f'{_some(absent)}. Spell them as there: {_some(file.categories)}'
    ]


def _order_of_classes(file: Annotations) -> list[str]:
    labels = _labelled(file)
    expected = tuple(name for name in file.classes if name in labels)
    if labels == expected:
        return []
    return [
        f'{file.source}: mmdet numbers the categories in the order of the file '
        f'({_some(labels)}), metainfo.classes names them in another '
        f'({_some(expected)}): pictures would have wrong names. List metainfo.classes '
        'in the order of the file'
    ]


def _missing_images(file: Annotations) -> list[str]:
    missing = [path for path in file.image_paths if not Path(path).is_file()]
    if not missing:
        return []
    return [
        f'{file.source}: {len(missing)} of {len(file.image_paths)} images are not '
        f'where data_prefix says: {_some(missing)}'
    ]


def _broken_images(file: Annotations) -> list[str]:
    broken = broken_images(file.image_paths)
    if not broken:
        return []
    path, why = next(iter(broken.items()))
    return [
        f'{file.source}: {len(broken)} images cannot be read ({_some(list(broken))}), '
        f'{path}: {why}. Copy them once more, or take them out of the file'
    ]


def _other_sizes(file: Annotations) -> list[str]:
    others = other_sizes(file.image_paths, file.image_sizes)
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{file.source}: {len(others)} images are not as large as the file says '
        f'({_some(list(others))}), {path} has {width} x {height} pixels. Where width '
        'and height are exchanged the photo is turned by its EXIF tag: boxes have to '
        'be those of the upright image'
    ]


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    text = ', '.join(names[:FEW])
    rest = len(names) - FEW
    return f'{text} and {rest} more' if rest > 0 else text
