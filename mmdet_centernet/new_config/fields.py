"""Does a COCO file have what mmdet and pycocotools read of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from mmdet_centernet.data_report.annotation_file import is_box

FIELDS: dict[str, dict[str, Any]] = dict(
    images=dict(id=(int, str), file_name=str, width=Real, height=Real),
    annotations=dict(id=int, image_id=(int, str), category_id=int, bbox=list),
    categories=dict(id=int, name=str),
)


def field_faults(content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the entries of a COCO file.

    Args:
        content: Its lists ``images``, ``annotations`` and ``categories``.

    Returns:
        Sentences, each with what to do.
    """
    wrong = [
        f'{part}[{number}] {_wrong_field(entry, fields)}'
        for part, fields in FIELDS.items()
        for number, entry in enumerate(content[part])
        if _wrong_field(entry, fields)
    ]
    if wrong:
        return [f'{len(wrong)} entries cannot be used; {wrong[0]}']
    return [*_double_ids(content), *_strays(content), *_lacking(content['annotations'])]


def _wrong_field(entry: Any, fields: Mapping[str, Any]) -> str | None:
    if not isinstance(entry, dict):
        return f'is {entry!r}; it has to have {", ".join(fields)}'
    for field, kind in fields.items():
        if field not in entry:
            return f'has no {field}'
        if not isinstance(entry[field], kind):
            return f'has the {field} {entry[field]!r}'
    if 'bbox' in fields and not is_box(entry['bbox']):
        return f'has the bbox {entry["bbox"]!r}; it has to be [x, y, width, height]'
    return None


def _double_ids(content: Mapping[str, Any]) -> list[str]:
    found = []
    for part in FIELDS:
        twice = _twice(entry['id'] for entry in content[part])
        if twice:
            found.append(
                f'{len(twice)} ids of {part} are there more than once, such as '
                f'{twice[0]!r}: number the {part} anew'
            )
    return found


def _twice(ids: Iterable[Any]) -> list[Any]:
    return [id_ for id_, count in Counter(ids).items() if count > 1]


def _strays(content: Mapping[str, Any]) -> list[str]:
    """Boxes of images or categories that the file does not list."""
    found = []
    for part, field in (('images', 'image_id'), ('categories', 'category_id')):
        known = {entry['id'] for entry in content[part]}
        strays = [n[field] for n in content['annotations'] if n[field] not in known]
        if strays:
            found.append(
                f'{len(strays)} boxes have a {field} that the list of {part} lacks, '
                f'such as {strays[0]!r}: add it there, or take the boxes away'
            )
    return found


def _lacking(annotations: Sequence[Mapping[str, Any]]) -> list[str]:
    advice = dict(
        area='add "area", the width times the height of the bbox',
        iscrowd='add "iscrowd": 0',
    )
    return [
        f'{count} boxes have no {field}, which pycocotools asks for: {words} to them'
        for field, words in advice.items()
        if (count := sum(note.get(field) is None for note in annotations))
    ]
