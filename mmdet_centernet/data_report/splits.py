"""The annotation files of training, validation and test, also where some are broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmdet_centernet.data_report.annotations import (
    Annotations,
    decoder_of,
    innermost,
    lazy_dataset,
    read_dataset,
)
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.reason import reason

SPLITS = ('train', 'val', 'test')


@dataclass
class SplitFiles:
    """What could be read, and what could not.

    Attributes:
        files: Split to its files; one that serves two splits stands in the first.
        findings: What could not be read, in sentences.
    """

    files: dict[str, list[Annotations]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def read_splits(cfg: Mapping[str, Any]) -> SplitFiles:
    """Read each file of a config once.

    Args:
        cfg: Config of a training.
    """
    splits = SplitFiles()
    known: set[str] = set()
    for split in SPLITS:
        splits.files[split] = []
        loader = cfg.get(f'{split}_dataloader') or {}
        inner = innermost(loader['dataset']) if loader.get('dataset') else ()
        sources = {_read(one, split, splits, known) for one in inner}
        known |= sources
        if split != 'train':
            _mark_evaluated(splits, sources)
    return splits


def _read(
    cfg: Mapping[str, Any], split: str, splits: SplitFiles, known: set[str]
) -> str:
    """Read the file of a dataset unless it is known; returns what it is called."""
    source = str(cfg.get('ann_file', ''))
    try:
        dataset = lazy_dataset(cfg)
        source = str(dataset.ann_file)
        annotations = (
            None if source in known else read_dataset(dataset, decoder_of(cfg))
        )
    except Exception as error:  # whatever formats and configs make mmdet raise
        if source not in known:
            splits.findings.append(_unreadable(split, source, error))
        return source
    if annotations is not None:
        splits.files[split].append(annotations)
    elif source not in known:
        kind = type(dataset).__name__
        splits.findings.append(
            f'{split}: {source} was not looked at: the format of a {kind} is not known '
            'here'
        )
    return source


def _unreadable(split: str, source: str, error: Exception) -> str:
    text = reason(error)
    return Fault(f'{split}: {text}' if source in text else f'{split}: {source}: {text}')


def _mark_evaluated(splits: SplitFiles, sources: set[str]) -> None:
    for files in splits.files.values():
        files[:] = [
            replace(file, is_evaluated=True) if file.source in sources else file
            for file in files
        ]
