"""What is suspicious about the categories of a file, and the classes of a config?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.dropped import count_categories
from mmdet_centernet.data_report.findings import Fault, some


def suspect_categories(file: Annotations) -> list[str]:
    """What is wrong with names and their order.

    Returns:
        Sentences, each with what to do.
    """
    checks = (
        _double_categories,
        _double_classes,
        _unknown_categories,
        _unnamed_categories,
        _absent_classes,
        _order_of_classes,
    )
    return [text for check in checks for text in check(file)]


def labelled(file: Annotations) -> tuple[str, ...]:
    """The categories in the order of their labels: for COCO mmdet takes the file's."""
    names = file.categories if file.is_coco else file.classes
    return tuple(name for name in names if name in file.classes)


def _double_categories(file: Annotations) -> list[str]:
    """Mmdet makes a label of each id whose name is a class."""
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
                    f'{", ".join(boxes)}. mmdet makes a label of each id, so that '
                    'there are more labels than classes: '
                    + _advice(ids, [id_ for id_ in ids if counts[id_]])
                )
            )
    return found


def _advice(ids: Sequence[Any], used: Sequence[Any]) -> str:
    """How one id is left of several; ids without boxes go."""
    if not used:
        return (
            'take all but one of them out of "categories", the same ones as in the '
            'other files'
        )
    gone = [id_ for id_ in ids if id_ not in used]
    steps = []
    if len(used) > 1:
        others = ' and '.join(map(repr, used[1:]))
        steps.append(
            f'if they mean the same, give the annotations of {others} the category_id '
            f'{used[0]!r}'
        )
        gone += used[1:]
    names = ' and '.join(map(repr, gone))
    steps.append(f'take the entry with the id {names} out of "categories"')
    return ' and '.join(steps) + ', in all files alike'


def _double_classes(file: Annotations) -> list[str]:
    twice = [n for n in dict.fromkeys(file.classes) if file.classes.count(n) > 1]
    if not twice:
        return []
    return [
        f'{file.source}: metainfo.classes names {some(twice)} more than once: name '
        'each class once, and set num_classes of the head to their number'
    ]


def _unknown_categories(file: Annotations) -> list[str]:
    others = [name for name in file.categories if name not in file.classes]
    if not others:
        return []
    return [
        f'{file.source}: metainfo lacks categories of the file, whose boxes are left '
        f'out: {some(others)}. Add them to metainfo.classes, or leave them out on '
        'purpose'
    ]


def _unnamed_categories(file: Annotations) -> list[str]:
    count = int((file.names == '').sum())
    if not count:
        return []
    if file.kinds is None:
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
        f'{file.source}: classes of metainfo that the file does not have: '
        f'{some(absent)}. Spell them as there: {some(file.categories)}'
    ]


def _order_of_classes(file: Annotations) -> list[str]:
    labels = labelled(file)
    expected = tuple(n for n in dict.fromkeys(file.classes) if n in labels)
    if labels == expected or len(set(labels)) < len(labels):
        return []
    return [
        f'{file.source}: mmdet numbers the categories in the order of the file '
        f'({some(labels)}), metainfo.classes names them in another '
        f'({some(expected)}): pictures would have wrong names. List metainfo.classes '
        'in the order of the file'
    ]
