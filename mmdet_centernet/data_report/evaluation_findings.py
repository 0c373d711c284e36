"""Findings on annotations and evaluators that make an evaluation fail or wrong."""

from __future__ import annotations

import filecmp
import os.path as osp
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmdet_centernet.data_report.annotations import is_float64
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.label_names import innermost, lazy_dataset

SPLITS = ('val', 'test')


def check_coco_evaluation(entries: Sequence[dict], path: str) -> list[str]:
    """Returns findings on annotations that pycocotools cannot evaluate correctly.

    Args:
        entries: Annotations of a COCO file.
        path: The file.
    """
    found = (*_crowds(entries), *_ids(entries))
    return [type(text)(f'{path}: {text}') for text in found]


def _crowds(entries: Sequence[dict]) -> list[str]:
    found: list[str] = []
    if not all('iscrowd' in entry for entry in entries):
        found.append(
            Fault(
                'some annotations have no iscrowd, which pycocotools needs for '
                'evaluation: add "iscrowd": 0 to them'
            )
        )
    wrong = [e for e in entries if not _is_whole(e.get('iscrowd', 0))]
    if wrong:
        found.append(
            Fault(
                f'{len(wrong)} annotations have an iscrowd that is not a number, the '
                f'first {wrong[0]["iscrowd"]!r} (id {wrong[0]["id"]!r}), so '
                'pycocotools cannot evaluate: set it to 0, or to 1 for a crowd'
            )
        )
    return found


def _ids(entries: Sequence[dict]) -> list[str]:
    """Pycocotools stores ids of matches as numbers, with 0 for no match."""
    ids = [entry['id'] for entry in entries]
    texts = [id_ for id_ in ids if isinstance(id_, str) and not _is_whole_text(id_)]
    if texts:
        return [
            Fault(
                f'{len(texts)} annotations have an id that is not a number, the first '
                f'{texts[0]!r}, so pycocotools cannot evaluate: number the annotations '
                'from 1'
            )
        ]
    if not any(float(id_) == 0 for id_ in ids):
        return []
    return [
        'an annotation has the id 0. pycocotools counts its box as missed even if it '
        'is detected, so AP is too low: number the annotations from 1'
    ]


def _is_whole(value: object) -> bool:
    return is_float64(value) and float(value).is_integer()  # type: ignore[arg-type]


def _is_whole_text(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def check_evaluators(cfg: Mapping[str, Any]) -> list[str]:
    """Finds evaluators that read another annotation file than their data loader.

    Args:
        cfg: Config of a training.
    """
    return [
        f'{split}: {split}_evaluator reads {path}, but {split}_dataloader reads '
        f'{" and ".join(sources)}; mmdet matches results and annotations by image id. '
        'Set ann_file of both to the same file'
        for split in SPLITS
        for sources in [_sources(cfg.get(f'{split}_dataloader') or {})]
        for path in _evaluator_files(cfg.get(f'{split}_evaluator') or ())
        if sources and not any(_same(path, source) for source in sources)
    ]


def _sources(loader: Mapping[str, Any]) -> list[str]:
    """Returns the annotation files of a data loader; [] if they are unknown."""
    try:
        return [str(lazy_dataset(one).ann_file) for one in innermost(loader['dataset'])]
    except Exception:  # read_splits reports it
        return []


def _evaluator_files(evaluators: Any) -> Iterator[str]:
    for one in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if isinstance(one, Mapping) and isinstance(one.get('ann_file'), str):
            yield one['ann_file']


def _same(one: str, other: str) -> bool:
    """Returns whether two paths are the same file, or files of equal content."""
    if osp.realpath(one) == osp.realpath(other):
        return True
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
