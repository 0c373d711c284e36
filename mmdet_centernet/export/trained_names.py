"""Finds the class names of a trained detector in the order of its labels.

The training data determine the order. A checkpoint lists the classes in another order:
see `mmdet_centernet.label_names`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmdet.datasets import CocoDataset
from mmengine.config import Config

from mmdet_centernet.label_names import (
    innermost,
    kept_classes,
    label_names,
    numbered_names,
)

SPLITS = ('train', 'val', 'test')
"""Order in which the datasets are tried; training data come first."""
PUBLISHED = CocoDataset.METAINFO['classes']
"""COCO's classes, in the order of its published annotation files."""


class Names(NamedTuple):
    """Names of classes, in the order of the labels.

    Attributes:
        names: One per label.
        source: Where they come from, for messages.
        contradictions: Sentences about datasets that number the classes differently.
    """

    names: tuple[str, ...]
    source: str
    contradictions: tuple[str, ...] = ()


def trained_names(cfg: Config, kept: Sequence[str] | str | None) -> Names:
    """Finds the class names in the order of the labels.

    Args:
        cfg: Config of the detector.
        kept: Classes of the checkpoint's ``dataset_meta``, in any order; None for those
            of the config.

    Returns:
        The names from the annotation file of the training data, else of the validation
        or test data.

    Raises:
        ValueError: If no file exists and there is more than one class, or if a file
            does not have the classes of the checkpoint.
    """
    kept = (kept,) if isinstance(kept, str) else tuple(kept or ())
    trained: tuple[str, ...] = ()
    source, absent, doubts = '', [], []
    for split, dataset in _datasets(cfg):
        try:
            names = _names(dataset, kept)
        except OSError as error:
            absent.append(f'{split}: {error}')
            continue
        if not source:
            trained, source = names, split
        elif names != trained:
            doubts.append(_contradiction(split, names, source, trained))
    if not source:
        return _names_without_files(cfg, kept, absent)
    return Names(trained, f'as the {source} data number them', tuple(doubts))


def _contradiction(
    split: str, names: tuple[str, ...], source: str, trained: tuple[str, ...]
) -> str:
    return (
        f'the {split} data number the classes as {list(names)}, the {source} data as '
        f"{list(trained)}: mmdet's test confuses the classes. Give the "
        '`categories` of both files the same order'
    )


def _datasets(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yields the splits of a config with the config of their dataset."""
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            yield split, loader['dataset']


def _names(dataset: Any, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Names the labels of a dataset with the classes of the checkpoint."""
    if not kept:
        return label_names(dataset)
    files = list(innermost(dataset))
    keeping = _keeping(files, kept)
    # With the classes of this config, a class that is in no file had no label.
    if {name for file in files for name in kept_classes(file)} != set(kept):
        missing = sorted(set(kept) - set(numbered_names(keeping)))
        if missing:
            raise ValueError(
                f'the checkpoint was trained on {", ".join(kept)}, but '
                f'{files[0].get("ann_file")} of the config has no {", ".join(missing)}.'
                ' Use the config of the training, or give the names in the order of '
                'the labels: --classes NAME ...'
            )
    return label_names(keeping)


def _keeping(files: Sequence[Any], kept: tuple[str, ...]) -> dict[str, Any]:
    """Sets the classes of the checkpoint in the datasets."""
    metas = [{**(file.get('metainfo') or {}), 'classes': kept} for file in files]
    return dict(
        datasets=[
            {**file, 'metainfo': meta} for file, meta in zip(files, metas, strict=True)
        ]
    )


def _names_without_files(
    cfg: Config, kept: tuple[str, ...], absent: Sequence[str]
) -> Names:
    """Finds the names without an annotation file."""
    for _, dataset in _datasets(cfg):
        kept = kept or kept_classes(next(innermost(dataset)))
    if len(kept) == 1:
        return Names(kept, 'the only class')
    if kept == PUBLISHED:
        return Names(kept, "as COCO's published files number them")
    raise ValueError(
        'mmdet numbers the classes in the order of `categories` in the annotation file '
        f'of the training data, which is missing ({"; ".join(absent) or "no data"}). '
        'Put it there, or give the names in the order of the labels, for example '
        f'--classes {" ".join(kept) or "NAME ..."}'
    )
