"""Has an entry of a COCO file what mmdet reads of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet_centernet.data_report.annotation_file import is_box, is_number

FIELDS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id', 'bbox', 'area'),
    categories=('id', 'name'),
)
"""What mmdet reads of a COCO file without asking whether it is there."""
TEXTS = ('file_name', 'coco_url', 'name')
NUMBERS = ('width', 'height', 'area')

Content = dict[str, list[dict]]


def wrong_field(entry: Any, fields: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with an image, an annotation or a category.

    Args:
        entry: What stands in the list.
        fields: Those that it has to have.

    Returns:
        The kind of fault, which is the same for the same fault, and the fault in words
        that go on behind the name of the entry; None where nothing is wrong.
    """
    if not isinstance(entry, dict):
        return '', f'is {entry!r}; it has to have {list(fields)}'
    missing = [field for field in fields if field not in entry]
    if missing:
        return f'no {missing}', f'has no {missing}'
    for field in fields:
        if wanted := _wanted(field, entry[field]):
            return field, f'has the {field} {entry[field]!r}; it has to be {wanted}'
    return None


def _wanted(field: str, value: Any) -> str | None:
    """What a field has to be, where it is something else."""
    if field == 'bbox':
        return None if is_box(value) else '[x, y, width, height]'
    if field in NUMBERS:
        return None if is_number(value) else 'a number'
    if field in TEXTS:
        return None if isinstance(value, str) else 'a text'
    return None if _is_id(value) else 'a whole number'


def _is_id(value: Any) -> bool:
    """Texts and numbers such as 3.0 serve mmdet as ids as well."""
    is_whole = isinstance(value, float) and value.is_integer()
    return is_whole or isinstance(value, int | str)


def double_ids(content: Mapping[str, Any]) -> Iterator[str]:
    """Of entries with the same id pycocotools takes the last one for all.

    Args:
        content: The lists of a file, which may hold anything.

    Yields:
        Sentences, each with what to do.
    """
    for part in FIELDS:
        entries = content.get(part, [])
        ids = [one.get('id') for one in entries if isinstance(one, dict)]
        counts = Counter(filter(_is_id, ids))
        twice = [id_ for id_, count in counts.items() if count > 1]
        if twice:
            yield (
                f'{len(twice)} ids of {part} are there more than once, such as '
                f'{twice[0]!r}: number the {part} anew'
            )
