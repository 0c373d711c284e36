"""Findings on the categories of annotation files and the classes of the config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet_centernet.data_report.annotations import (
    Annotations,
    count_categories,
    count_classes,
)
from mmdet_centernet.data_report.findings import Fault, some


def check_categories(file: Annotations) -> list[str]:
    """Returns findings on category names, class names and their order."""
    checks = (
        _duplicate_categories,
        _duplicate_classes,
        _unknown_categories,
        _unnamed_categories,
        _absent_classes,
        _class_order,
    )
    return [text for check in checks for text in check(file)]


def check_num_classes(
    split: str, files: Sequence[Annotations], num_classes: int | None
) -> list[str]:
    """Compares the number of classes with that of the head.

    Args:
        split: Name of the split.
        files: Its files.
        num_classes: Number of classes of the head; None if unknown.
    """
    names = [name for file in files for name in file.classes]
    # A name that a file lists twice counts twice.
    count = max([len(set(names)), *(len(file.classes) for file in files)])
    if not files or num_classes in (None, count):
        return []
    return [
        Fault(
            f'{split}: metainfo has {count} classes, the head {num_classes}: set '
            f'num_classes of the head to {count}'
        )
    ]


def check_examples(split: str, files: Sequence[Annotations]) -> list[str]:
    """Finds classes without boxes; a test set may have no annotations at all."""
    if split == 'test' and not any(file.has_annotations for file in files):
        return []
    counts = total_counts(files)
    empty = [name for name, count in counts.items() if not count]
    if not empty:
        return []
    return [
        f'{split}: {len(empty)} of {len(counts)} classes have no example: {some(empty)}'
    ]


def total_counts(files: Sequence[Annotations]) -> dict[str, int]:
    """Counts the boxes of each class over several files."""
    counts = [count_classes(file) for file in files]
    return {name: sum(c.get(name, 0) for c in counts) for c in counts for name in c}


def check_label_order(files: Sequence[Annotations]) -> list[str]:
    """Finds files that number the classes differently."""
    orders = {file.source: tuple(dict.fromkeys(label_order(file))) for file in files}
    longest = max(orders.values(), key=len, default=())
    if all(order == longest[: len(order)] for order in orders.values()):
        return []  # files may lack the last classes
    names = '; '.join(f'{source}: {some(order)}' for source, order in orders.items())
    return [
        f'the files number the classes differently, so a label means different classes '
        f'in training and test: {names}. List the same categories in the same order in '
        'all files'
    ]


def label_order(file: Annotations) -> tuple[str, ...]:
    """Returns the classes in label order, which for COCO is that of the file."""
    names = file.categories if file.is_coco else file.classes
    return tuple(name for name in names if name in file.classes)


def _duplicate_categories(file: Annotations) -> list[str]:
    """Finds classes with several category ids, each of which gets its own label."""
    counts = count_categories(file)
    found: list[str] = []
    for name in dict.fromkeys(file.categories):
        pairs = zip(file.categories, file.category_ids, strict=False)
        ids = [id_ for other, id_ in pairs if other == name]
        if len(ids) > 1 and name in file.classes:
            boxes = [f'{counts[id_]} boxes have id {id_!r}' for id_ in ids]
            found.append(
                Fault(
                    f'{file.source}: {len(ids)} categories are called {name!r}: '
                    f'{", ".join(boxes)}. mmdet creates a label for each id, so there '
                    'are more labels than classes: '
                    + _merge_advice(ids, [id_ for id_ in ids if counts[id_]])
                )
            )
    return found


def _merge_advice(ids: Sequence[Any], used: Sequence[Any]) -> str:
    """Says how to keep one of several ids; ids without boxes are removed."""
    if not used:
        return (
            'remove all but one of them from "categories", the same ones as in the '
            'other files'
        )
    removed = [id_ for id_ in ids if id_ not in used]
    steps = []
    if len(used) > 1:
        others = ' and '.join(map(repr, used[1:]))
        steps.append(
            f'if they mean the same, give the annotations of {others} the category_id '
            f'{used[0]!r}'
        )
        removed += used[1:]
    names = ' and '.join(map(repr, removed))
    steps.append(f'remove the entry with the id {names} from "categories"')
    return ' and '.join(steps) + ', in all files'


def _duplicate_classes(file: Annotations) -> list[str]:
    repeated = [n for n in dict.fromkeys(file.classes) if file.classes.count(n) > 1]
    if not repeated:
        return []
    return [
        f'{file.source}: metainfo.classes names {some(repeated)} more than once: name '
        'each class once, and set num_classes of the head to their number'
    ]


def _unknown_categories(file: Annotations) -> list[str]:
    others = [name for name in file.categories if name not in file.classes]
    if not others:
        return []
    return [
        f'{file.source}: metainfo.classes lacks categories of the file, whose boxes '
        f'are left out: {some(others)}. Add them unless this is intended'
    ]


def _unnamed_categories(file: Annotations) -> list[str]:
    count = int((file.names == '').sum())
    if not count:
        return []
    if file.category_index is None:
        return [
            f'{file.source}: {count} boxes have no class, or a label that '
            f'metainfo.classes ({some(file.classes)}) lacks'
        ]
    return [
        f'{file.source}: {count} boxes have a category_id that the list of categories '
        'lacks'
    ]


def _absent_classes(file: Annotations) -> list[str]:
    absent = [name for name in file.classes if name not in file.categories]
    if not absent or not file.categories:
        return []
    return [
        f'{file.source}: the file lacks classes of metainfo: {some(absent)}. Spell '
        f'them as in the file: {some(file.categories)}'
    ]


def _class_order(file: Annotations) -> list[str]:
    labels = label_order(file)
    expected = tuple(n for n in dict.fromkeys(file.classes) if n in labels)
    if labels == expected or len(set(labels)) < len(labels):
        return []
    return [
        f'{file.source}: mmdet numbers the categories in the order of the file '
        f'({some(labels)}), metainfo.classes has another order ({some(expected)}), so '
        'visualizations show wrong names. List metainfo.classes in the order of the '
        'file'
    ]
