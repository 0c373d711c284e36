"""Does a COCO file have what mmdet and pycocotools read of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet_centernet.data_report.coco import FIELDS, check_entry, duplicate_ids
from mmdet_centernet.data_report.findings import Problem, sum_up

COUNTED = ('area', 'iscrowd')
"""Fields that pycocotools asks for; how many boxes lack them is said."""


def field_faults(content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the entries of a COCO file.

    Args:
        content: Its lists ``images``, ``annotations`` and ``categories``.

    Returns:
        Sentences, each with what to do.
    """
    problems = [
        Problem(part + wrong[0], f'{part}[{number}]', wrong[1])
        for part, fields in FIELDS.items()
        for number, entry in enumerate(content[part])
        if (wrong := check_entry(entry, [f for f in fields if f not in COUNTED]))
    ]
    if problems:
        return sum_up(problems)
    return [
        *duplicate_ids(content),
        *_strays(content),
        *_lacking(content['annotations']),
    ]


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
