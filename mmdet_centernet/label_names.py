"""Class names in the order in which mmdet numbers labels.

``XMLDataset`` numbers labels in the order of ``metainfo['classes']``,
``CocoDataset`` in the order of the annotation file's categories.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.fileio import load


def label_names(dataset_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the classes of a dataset in label order.

    For COCO files the dataset class itself numbers the categories, in a copy of the
    file without images and boxes, so the result also holds for subclasses.

    Args:
        dataset_cfg: Config of a dataset, which may wrap others.

    Returns:
        Names in label order, then the classes of ``metainfo`` that the annotation file
        lacks and mmdet gives no label.

    Raises:
        OSError: If an annotation file cannot be read.
        ValueError: If it is no COCO file, or two files of the dataset number the same
            classes differently.
    """
    numbered = numbered_names(dataset_cfg)
    names = (name for one in innermost(dataset_cfg) for name in kept_classes(one))
    return (*numbered, *dict.fromkeys(name for name in names if name not in numbered))


def numbered_names(dataset_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns ``label_names`` without the classes that no annotation file has.

    Args:
        dataset_cfg: Config of a dataset, which may wrap others.

    Returns:
        Names in label order.

    Raises:
        OSError: See ``label_names``.
        ValueError: See ``label_names``.
    """
    longest: tuple[str, ...] = ()
    for inner in innermost(dataset_cfg):
        names = _numbered(inner)
        shorter, longer = sorted((names, longest), key=len)
        if longer[: len(shorter)] != shorter:
            raise ValueError(
                f'{inner.get("ann_file")} numbers the classes as {list(names)}, but '
                f'another file of the same dataset as {list(longest)}: list the '
                '`categories` of both in the same order'
            )
        longest = longer
    return longest


def innermost(dataset_cfg: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the configs of the datasets that read files inside wrapper datasets."""
    wrapped = [*dataset_cfg.get('datasets', ()), dataset_cfg.get('dataset')]
    if not any(wrapped):
        yield dataset_cfg
    for inner in filter(None, wrapped):
        yield from innermost(inner)


def kept_classes(dataset_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the classes of a dataset in the order of its ``metainfo``.

    Args:
        dataset_cfg: Config of a dataset that wraps no other; its file is not read.
    """
    return classes_of(lazy_dataset(dataset_cfg))


def lazy_dataset(cfg: Mapping[str, Any]) -> Any:
    """Builds a dataset without loading its data."""
    return DATASETS.build({**cfg, 'lazy_init': True, 'pipeline': []})


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Returns the classes of a built dataset; a string counts as one class."""
    classes = dataset.metainfo.get('classes') or ()
    return (classes,) if isinstance(classes, str) else tuple(map(str, classes))


def _numbered(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the classes that get a label, for a dataset that reads one file."""
    dataset = lazy_dataset(cfg)
    if _numbers_by_file(dataset):
        return tuple(_numbered_categories(dataset))
    return classes_of(dataset)


def _numbers_by_file(dataset: Any) -> bool:
    """Returns whether the COCO file, not ``metainfo``, defines the label order."""
    return isinstance(dataset, BaseDetDataset) and hasattr(dataset, 'COCOAPI')


def _numbered_categories(dataset: Any) -> list[str]:
    """Lets the dataset number the categories of a file without images."""
    content = _read(dataset.ann_file, dataset.backend_args)
    names = {entry['id']: entry['name'] for entry in content['categories']}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'categories.json')
        file.write_text(json.dumps({**content, 'images': [], 'annotations': []}))
        dataset.ann_file, dataset.backend_args = str(file), None
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
            dataset.load_data_list()
    return [names[category] for category in _by_label(dataset.cat2label)]


def _read(path: str, backend_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """Loads a COCO file and checks that its categories have an id and a name."""
    try:
        content = load(path, file_format='json', backend_args=backend_args)
    except ValueError as error:  # includes decoding errors
        raise ValueError(f'{path} is not JSON in UTF-8: {error}') from error
    entries = content.get('categories') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(map(_is_category, entries)):
        raise ValueError(
            f'{path} has no list of categories with an id and a name each: a COCO file '
            "has ['images', 'annotations', 'categories']"
        )
    if len({entry['id'] for entry in entries}) < len(entries):
        raise ValueError(f'{path} has two categories with the same id: renumber them')
    return content


def _is_category(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get('id'), int | str)
        and isinstance(entry.get('name'), str)
    )


def _by_label(cat2label: Mapping[Any, int]) -> Sequence[Any]:
    """Returns category ids in label order."""
    return sorted(cat2label, key=lambda category: cat2label[category])
