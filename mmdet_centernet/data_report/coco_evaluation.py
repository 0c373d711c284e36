"""Which annotations make pycocotools fail, or lose boxes, when it evaluates?"""

from __future__ import annotations

from collections.abc import Sequence

from mmdet_centernet.data_report.annotation_file import is_number
from mmdet_centernet.data_report.findings import Fault


def suspect_evaluation(entries: Sequence[dict], path: str) -> list[str]:
    """What is wrong with annotations on which results are evaluated.

    Args:
        entries: Annotations of a COCO file.
        path: That file.

    Returns:
        Sentences, each with what to do.
    """
    found = (*_crowds(entries), *_ids(entries))
    return [type(text)(f'{path}: {text}') for text in found]


def _crowds(entries: Sequence[dict]) -> list[str]:
    found: list[str] = []
    if not all('iscrowd' in entry for entry in entries):
        found.append(
            Fault(
                'some annotations have no iscrowd, without which pycocotools cannot '
                'evaluate: add "iscrowd": 0 to them'
            )
        )
    wrong = [e for e in entries if not _is_whole(e.get('iscrowd', 0))]
    if wrong:
        found.append(
            Fault(
                f'{len(wrong)} annotations have an iscrowd that is no number, the '
                f'first {wrong[0]["iscrowd"]!r} (id {wrong[0]["id"]!r}), with which '
                'pycocotools cannot evaluate: write 0 in its place, or 1 for a crowd'
            )
        )
    return found


def _ids(entries: Sequence[dict]) -> list[str]:
    """Pycocotools notes matches as numbers, and takes a 0 there for no match."""
    ids = [entry['id'] for entry in entries]
    texts = [id_ for id_ in ids if isinstance(id_, str) and not _is_whole_text(id_)]
    if texts:
        return [
            Fault(
                f'{len(texts)} annotations have an id that is no number, the first '
                f'{texts[0]!r}, with which pycocotools cannot evaluate: number the '
                'annotations from 1 on'
            )
        ]
    if not any(float(id_) == 0 for id_ in ids):
        return []
    return [
        'an annotation has the id 0. pycocotools takes its box as missed even where it '
        'is found, so that AP comes out too low: number the annotations from 1 on'
    ]


def _is_whole(value: object) -> bool:
    return is_number(value) and float(value).is_integer()  # type: ignore[arg-type]


def _is_whole_text(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False
