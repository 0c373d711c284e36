"""What is suspicious about annotation files?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.box_form import doubt_fractions, doubt_sizes
from mmdet_centernet.data_report.category_suspicions import (
    labelled,
    suspect_categories,
)
from mmdet_centernet.data_report.dropped import (
    KEPT,
    count_classes,
    why_dropped,
)
from mmdet_centernet.data_report.findings import Fault, some
from mmdet_centernet.data_report.image_suspicions import suspect_images

OFTEN = 0.1
"""Share of boxes that end before they begin, or of crowds, that is doubted."""
DIFFICULT_OFTEN = 0.5
"""Share of VOC's difficult objects; of VOC 2007 every fifth is one."""

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
        _sizes_as_corners,
        _many_crowds,
        suspect_categories,
        suspect_images,
    )
    found = [text for check in checks for text in check(annotations)]
    return [*annotations.findings, *found]


def suspect_splits(splits: Splits, num_classes: int | None) -> list[str]:
    """What is wrong with the splits together.

    Args:
        splits: Files of ``train``, ``val`` and ``test``.
        num_classes: Classes of the head, where it is known.

    Returns:
        Sentences, each with what to do.
    """
    found = []
    for split, files in splits.items():
        evaluated = [f for f in files if split != 'train' or f.is_evaluated]
        found += [text for file in evaluated for text in file.evaluation_findings]
        found += _number_of_classes(split, files, num_classes)
        found += _without_example(split, files)
    orders = {
        file.source: tuple(dict.fromkeys(labelled(file)))
        for files in splits.values()
        for file in files
    }
    if len(set(orders.values())) > 1:
        found.append(
            'the files number the classes differently, so that what one teaches '
            'another does not test: '
            + '; '.join(f'{source}: {some(names)}' for source, names in orders.items())
            + '. List the same categories in the same order in all files'
        )
    return found


def _number_of_classes(
    split: str, files: Sequence[Annotations], num_classes: int | None
) -> list[str]:
    names = [name for file in files for name in file.classes]
    # Within a file a name may be there twice, and counts twice.
    count = max([len(set(names)), *(len(file.classes) for file in files)])
    if not files or num_classes in (None, count):
        return []
    return [
        Fault(
            f'{split}: metainfo has {count} classes, the head {num_classes}: set '
            'num_classes of the head to the former'
        )
    ]


def _without_example(split: str, files: Sequence[Annotations]) -> list[str]:
    """A file of test images alone has none on purpose."""
    if split == 'test' and not any(file.has_annotations for file in files):
        return []
    counts = _total_counts(files)
    empty = [name for name, count in counts.items() if not count]
    if not empty:
        return []
    return [
        f'{split}: {len(empty)} of {len(counts)} classes have no example: {some(empty)}'
    ]


def _total_counts(files: Sequence[Annotations]) -> dict[str, int]:
    counts = [count_classes(file) for file in files]
    return {name: sum(c.get(name, 0) for c in counts) for c in counts for name in c}


def _dropped(file: Annotations) -> list[str]:
    reasons = why_dropped(file)
    found = []
    for reason in sorted({*reasons.tolist()} - {KEPT}):
        where = np.unique(file.images[reasons == reason])
        paths = [Path(file.image_paths[image]).name for image in where]
        found.append(
            f'{file.source}: {(reasons == reason).sum()} boxes are left out: {reason} '
            f'({some(paths)})'
        )
    return found


def _fractions(file: Annotations) -> list[str]:
    if not (file.image_sizes > 1).any():
        return []
    return [f'{file.source}: {text}' for text in doubt_fractions(file.boxes)]


def _corners_as_sizes(file: Annotations) -> list[str]:
    if not file.is_coco:  # others have corners
        return []
    kept = why_dropped(file) == KEPT
    limits = file.image_sizes[file.images]
    found = doubt_sizes(file.boxes[kept], limits[kept])
    return [f'{file.source}: {text}' for text in found]


def _sizes_as_corners(file: Annotations) -> list[str]:
    if file.is_coco or not len(file.boxes):
        return []
    inside_out = (file.boxes[:, 2:] < file.boxes[:, :2]).any(axis=1)
    if inside_out.mean() <= OFTEN:
        return []
    return [
        f'{file.source}: {inside_out.mean():.0%} of the boxes end before they begin. '
        'This format wants x1, y1, x2, y2; are these x, y, width, height?'
    ]


def _many_crowds(file: Annotations) -> list[str]:
    """Tools mark what was drawn with a brush as a crowd, as its mask is an RLE."""
    allowed = OFTEN if file.is_coco else DIFFICULT_OFTEN
    if not len(file.crowds) or file.crowds.mean() <= allowed:
        return []
    kind = 'crowds (iscrowd)' if file.is_coco else 'difficult or ignored'
    return [
        f'{file.source}: {file.crowds.mean():.0%} of the boxes are {kind}, which are '
        'no objects: nothing is learned in them, and finding them counts for nothing. '
        f'Set {"iscrowd" if file.is_coco else "the mark"} to 0 where a box holds one '
        'object'
    ]
