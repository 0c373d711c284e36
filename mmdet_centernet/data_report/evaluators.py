"""Are results measured on the annotations of the images that are tested?"""

from __future__ import annotations

import filecmp
import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from mmdet_centernet.data_report.annotations import innermost, lazy_dataset

SPLITS = ('val', 'test')


def suspect_evaluators(cfg: Mapping[str, Any]) -> list[str]:
    """Evaluators that read another annotation file than the dataset beside them.

    Args:
        cfg: Config of a training.

    Returns:
        Sentences, each with what to do.
    """
    return [
        f'{split}: {split}_evaluator measures on {path}, but {split}_dataloader tests '
        f'the images of {" and ".join(sources)}: mmdet looks results up there by the '
        f'ids of these images. Set ann_file of both to one file'
        for split in SPLITS
        for sources in [_sources(cfg.get(f'{split}_dataloader') or {})]
        for path in _measured_on(cfg.get(f'{split}_evaluator') or ())
        if sources and not any(_same(path, source) for source in sources)
    ]


def _sources(loader: Mapping[str, Any]) -> list[str]:
    """The annotation files of a data loader; none where they are not known."""
    try:
        return [str(lazy_dataset(one).ann_file) for one in innermost(loader['dataset'])]
    except Exception:  # the report of the files says why
        return []


def _measured_on(evaluators: Any) -> Iterator[str]:
    """The annotation files that metrics name."""
    for one in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if isinstance(one, Mapping) and isinstance(one.get('ann_file'), str):
            yield one['ann_file']


def _same(one: str, other: str) -> bool:
    """Whether two paths lead to one file, or to files of one content."""
    if osp.realpath(one) == osp.realpath(other):
        return True
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
