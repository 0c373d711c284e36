"""Which names belong to the labels of a trained detector?

Those that its training data gave them. A checkpoint names the classes that were kept,
but not their order: see `mmdet_centernet.label_names`.
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
"""Whose data is asked first: what training counted decides."""
PUBLISHED = CocoDataset.METAINFO['classes']
"""Stand in this order in the published annotation files of COCO."""


class Names(NamedTuple):
    """Names of classes, in the order of the labels.

    Attributes:
        names: One a label.
        source: Who says so, for people to read.
        contradictions: Sentences about data that number the classes differently.
    """

    names: tuple[str, ...]
    source: str
    contradictions: tuple[str, ...] = ()


def trained_names(cfg: Config, kept: Sequence[str] | str | None) -> Names:
    """Find the names that the data of a training gave to the labels.

    Args:
        cfg: Config of the detector.
        kept: Classes of the checkpoint's ``dataset_meta``, in any order; without them
            the config's count.

    Returns:
        The names by the annotation file of the training data, else of the validation
        or test data.

    Raises:
        ValueError: If none of the files is there and there is more than one class, or
            if they are not those of the training.
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
        f"{list(trained)}: mmdet's own test mixes up the classes. Give the "
        '`categories` of both files one order'
    )


def _datasets(cfg: Config) -> Iterator[tuple[str, Any]]:
    """The splits that a config has, with the config of their dataset."""
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            yield split, loader['dataset']


def _names(dataset: Any, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Names by label, of a dataset that keeps the classes of the checkpoint."""
    if not kept:
        return label_names(dataset)
    files = list(innermost(dataset))
    keeping = _keeping(files, kept)
    # A class that no file has got no label in training either, if it was this config.
    if {name for file in files for name in kept_classes(file)} != set(kept):
        missing = sorted(set(kept) - set(numbered_names(keeping)))
        if missing:
            raise ValueError(
                f'the checkpoint was trained on {", ".join(kept)}, and '
                f'{files[0].get("ann_file")} of the config has no {", ".join(missing)}.'
                ' Give the config of the training, or the names in the order of the '
                'labels: --classes NAME ...'
            )
    return label_names(keeping)


def _keeping(files: Sequence[Any], kept: tuple[str, ...]) -> dict[str, Any]:
    """The datasets with the classes of the checkpoint."""
    metas = [{**(file.get('metainfo') or {}), 'classes': kept} for file in files]
    return dict(
        datasets=[
            {**file, 'metainfo': meta} for file, meta in zip(files, metas, strict=True)
        ]
    )


def _names_without_files(
    cfg: Config, kept: tuple[str, ...], absent: Sequence[str]
) -> Names:
    """Where no annotation file is there to ask."""
    for _, dataset in _datasets(cfg):
        kept = kept or kept_classes(next(innermost(dataset)))
    if len(kept) == 1:
        return Names(kept, 'the only class')
    if kept == PUBLISHED:
        return Names(kept, "as COCO's published files number them")
    raise ValueError(
        'mmdet numbers the classes in the order of `categories` in the annotation file '
        f'of the training, which is not there ({"; ".join(absent) or "no data"}). Put '
        'it there, or give the names in the order of the labels: --classes '
        f'{" ".join(kept) or "NAME ..."}, say, if that is their order'
    )
