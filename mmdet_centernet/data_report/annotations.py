"""Which files are behind a dataset, and what stands in them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from mmdet.registry import DATASETS

from mmdet_centernet.config_types import type_name
from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.coco import read_coco
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.images import OPENCV
from mmdet_centernet.data_report.loaded import read_loaded
from mmdet_centernet.data_report.voc import read_xml
from mmdet_centernet.label_names import innermost

COCO_LIKE = (CocoDataset, Objects365V1Dataset, LVISV05Dataset, LVISV1Dataset)
"""Types whose ways of loading are known here."""

__all__ = [
    'Annotations',
    'decoder_of',
    'innermost',
    'lazy_dataset',
    'read_annotations',
    'read_dataset',
]


def read_annotations(cfg: Mapping[str, Any]) -> list[Annotations]:
    """Read the annotation files behind a dataset.

    Args:
        cfg: Config of a dataset, which may wrap others.

    Returns:
        One entry a file. Datasets that are no ``BaseDetDataset``, such as those of
        videos, are left out.

    Raises:
        ValueError: If a file is of another format.
        OSError: If a file cannot be read.
    """
    found = (
        read_dataset(lazy_dataset(inner), decoder_of(inner)) for inner in innermost(cfg)
    )
    return [annotations for annotations in found if annotations is not None]


def lazy_dataset(cfg: Mapping[str, Any]) -> Any:
    """A dataset that knows where its files lie, and has not loaded them."""
    return DATASETS.build({**cfg, 'lazy_init': True, 'pipeline': []})


def decoder_of(cfg: Mapping[str, Any]) -> str:
    """What the pipeline of a dataset reads images with, as mmcv calls it."""
    for step in cfg.get('pipeline') or ():
        if type_name(step) == 'LoadImageFromFile':
            return step.get('imdecode_backend', OPENCV)
    return OPENCV


def read_dataset(dataset: Any, decoder: str = OPENCV) -> Annotations | None:
    """Read the file of a dataset that has not loaded it.

    Args:
        dataset: Reads files itself, and wraps no other.
        decoder: What its pipeline reads images with, which it has no more.

    Returns:
        None for datasets that are not known here.

    Raises:
        ValueError: If the file is of another format.
        OSError: If it cannot be read.
    """
    annotations = _read(dataset)
    if annotations is None:
        return None
    annotations = replace(annotations, decoder=decoder)
    if not isinstance(dataset.metainfo.get('classes'), str):
        return annotations
    (name,) = annotations.classes
    text = Fault(
        f'{annotations.source}: metainfo.classes is the text {name!r} and no tuple: '
        f'write ({name!r},), with the comma'
    )
    return replace(annotations, findings=(text, *annotations.findings))


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
    """Whether a type, maybe a user's, inherits how files are read."""
    return all(
        getattr(type(dataset), name) in [getattr(one, name) for one in types]
        for name in ('load_data_list', 'parse_data_info')
    )
