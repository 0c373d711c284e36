"""Reads the annotation files behind a dataset or a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmdet.datasets import (
    BaseDetDataset,
    CocoDataset,
    CocoPanopticDataset,
    LVISV05Dataset,
    LVISV1Dataset,
    Objects365V1Dataset,
    XMLDataset,
)

from mmdet_centernet.config_types import type_name
from mmdet_centernet.data_report.annotations import Annotations
from mmdet_centernet.data_report.coco import read_coco
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.images import OPENCV
from mmdet_centernet.data_report.loaded import read_loaded
from mmdet_centernet.data_report.voc import read_xml
from mmdet_centernet.label_names import innermost, lazy_dataset
from mmdet_centernet.reason import reason

SPLITS = ('train', 'val', 'test')
COCO_LIKE = (CocoDataset, Objects365V1Dataset, LVISV05Dataset, LVISV1Dataset)
"""Types whose loading ``read_coco`` reproduces."""


@dataclass
class SplitFiles:
    """The annotation files of a config.

    Attributes:
        files: Split to its files; a file that several splits use is in the first.
        findings: Files that could not be read.
    """

    files: dict[str, list[Annotations]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def read_splits(cfg: Mapping[str, Any]) -> SplitFiles:
    """Reads each annotation file of a config once.

    Args:
        cfg: Config of a training.
    """
    splits = SplitFiles()
    known: set[str] = set()
    for split in SPLITS:
        splits.files[split] = []
        loader = cfg.get(f'{split}_dataloader') or {}
        inner = innermost(loader['dataset']) if loader.get('dataset') else ()
        sources = {_read_into(splits, split, one, known) for one in inner}
        known |= sources - {''}  # datasets without a file are different ones
        if split != 'train':
            _mark_evaluated(splits, sources)
    return splits


def read_annotations(cfg: Mapping[str, Any]) -> list[Annotations]:
    """Reads the annotation files behind a dataset.

    Args:
        cfg: Config of a dataset, which may wrap others.

    Returns:
        One entry per file. Datasets that are no ``BaseDetDataset``, such as video
        datasets, are left out.

    Raises:
        ValueError: If a file has another format.
        OSError: If a file cannot be read.
    """
    found = (
        _read_dataset(lazy_dataset(inner), _decoder_of(inner))
        for inner in innermost(cfg)
    )
    return [annotations for annotations in found if annotations is not None]


def _read_into(
    splits: SplitFiles, split: str, cfg: Mapping[str, Any], known: set[str]
) -> str:
    """Reads the file of a dataset unless it is known; returns its path."""
    source = str(cfg.get('ann_file', ''))
    try:
        dataset = lazy_dataset(cfg)
        source = str(dataset.ann_file)
        annotations = (
            None if source in known else _read_dataset(dataset, _decoder_of(cfg))
        )
    except Exception as error:  # faulty files and configs raise any type in mmdet
        if source not in known:
            splits.findings.append(_unreadable(split, source, error))
        return source
    if annotations is not None:
        splits.files[split].append(annotations)
    elif source not in known:
        splits.findings.append(
            f'{split}: {source} was not checked: the format of a '
            f'{type(dataset).__name__} is unknown to browse-targets'
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


def _decoder_of(cfg: Mapping[str, Any]) -> str:
    """Returns the ``imdecode_backend`` of a dataset's pipeline."""
    for step in cfg.get('pipeline') or ():
        if type_name(step) == 'LoadImageFromFile':
            return step.get('imdecode_backend', OPENCV)
    return OPENCV


def _read_dataset(dataset: Any, decoder: str) -> Annotations | None:
    """Reads the file of a lazy dataset; returns None for unknown dataset types."""
    annotations = _read(dataset)
    if annotations is None:
        return None
    annotations = replace(annotations, decoder=decoder)
    if not isinstance(dataset.metainfo.get('classes'), str):
        return annotations
    (name,) = annotations.classes
    fault = Fault(
        f'{annotations.source}: metainfo.classes is the string {name!r} instead of a '
        f'tuple: write ({name!r},), with the comma'
    )
    return replace(annotations, findings=(fault, *annotations.findings))


def _read(dataset: Any) -> Annotations | None:
    if not isinstance(dataset, BaseDetDataset) or isinstance(
        dataset, CocoPanopticDataset
    ):
        return None
    if isinstance(dataset, CocoDataset) and _loads_like(dataset, COCO_LIKE):
        return read_coco(dataset)
    if isinstance(dataset, XMLDataset) and _loads_like(dataset, (XMLDataset,)):
        return read_xml(dataset)
    return read_loaded(dataset)


def _loads_like(dataset: BaseDetDataset, types: tuple[type, ...]) -> bool:
    """Returns whether a type, maybe a user's, inherits how files are read."""
    return all(
        getattr(type(dataset), name) in [getattr(one, name) for one in types]
        for name in ('load_data_list', 'parse_data_info')
    )
