"""Which name does mmdet give to label i?

`metainfo['classes']` says which classes are kept, and for an XML dataset their order. A
`CocoDataset` numbers them in the order of the annotation file's categories instead.
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
    """Name the labels that a dataset gives out.

    Of a COCO file the images and boxes are not kept: mmdet's own class numbers the
    categories of a file that has nothing else, so subclasses count as well.

    Args:
        dataset_cfg: Config of a dataset, which may wrap others.

    Returns:
        Names in the order of the labels. Classes of ``metainfo`` that the annotation
        file does not have come last: mmdet gives them no label.

    Raises:
        OSError: If an annotation file that decides about it cannot be read.
        ValueError: If such a file is no COCO file, or two files of the dataset number
            the same classes differently.
    """
    numbered = numbered_names(dataset_cfg)
    wanted = (name for one in innermost(dataset_cfg) for name in class_names(one))
    return (*numbered, *dict.fromkeys(name for name in wanted if name not in numbered))


def numbered_names(dataset_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """The same, without the classes that no annotation file has.

    Args:
        dataset_cfg: Config of a dataset, which may wrap others.

    Returns:
        Names in the order of the labels.

    Raises:
        OSError: As ``label_names`` does.
        ValueError: As ``label_names`` does.
    """
    longest: tuple[str, ...] = ()
    for inner in innermost(dataset_cfg):
        names = _numbered(inner)
        shorter, longer = sorted((names, longest), key=len)
        if longer[: len(shorter)] != shorter:
            raise ValueError(
                f'{inner.get("ann_file")} numbers the classes as {list(names)}, but '
                f'another file of the same dataset as {list(longest)}: give the '
                '`categories` of both one order'
            )
        longest = longer
    return longest


def innermost(dataset_cfg: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configs of the datasets that read files, of one that may wrap them."""
    wrapped = [*dataset_cfg.get('datasets', ()), dataset_cfg.get('dataset')]
    if not any(wrapped):
        yield dataset_cfg
    for inner in filter(None, wrapped):
        yield from innermost(inner)


def class_names(dataset_cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that a dataset keeps, in the order of its ``metainfo``.

    Args:
        dataset_cfg: Config of a dataset that reads a file; the file is not read.
    """
    return classes_of(lazy_dataset(dataset_cfg))


def lazy_dataset(cfg: Mapping[str, Any]) -> Any:
    """Builds a dataset without loading its data."""
    return DATASETS.build({**cfg, 'lazy_init': True, 'pipeline': []})


def classes_of(dataset: Any) -> tuple[str, ...]:
    """The same of a dataset that is built; a text in place of a tuple is one class."""
    classes = dataset.metainfo.get('classes') or ()
    return (classes,) if isinstance(classes, str) else tuple(map(str, classes))


def _numbered(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a dataset which reads one file gives a label."""
    dataset = lazy_dataset(cfg)
    if _numbers_by_file(dataset):
        return tuple(_numbered_categories(dataset))
    return classes_of(dataset)


def _numbers_by_file(dataset: Any) -> bool:
    """Whether the order stands in a COCO file, and not in ``metainfo``."""
    return isinstance(dataset, BaseDetDataset) and hasattr(dataset, 'COCOAPI')


def _numbered_categories(dataset: Any) -> list[str]:
    """Let the dataset number the categories of its file, and no images."""
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
    """The content of a COCO file whose categories have an id and a name."""
    try:
        content = load(path, file_format='json', backend_args=backend_args)
    except ValueError as error:  # of the encoding, too
        raise ValueError(f'{path} is no JSON in UTF-8: {error}') from error
    entries = content.get('categories') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(map(_is_category, entries)):
        raise ValueError(
            f'{path} has no list of categories with an id and a name each: the COCO '
            "format wants ['images', 'annotations', 'categories']"
        )
    if len({entry['id'] for entry in entries}) < len(entries):
        raise ValueError(f'{path} gives two categories one id: number them anew')
    return content


def _is_category(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get('id'), int | str)
        and isinstance(entry.get('name'), str)
    )


def _by_label(cat2label: Mapping[Any, int]) -> Sequence[Any]:
    """Category ids in the order of their labels."""
    return sorted(cat2label, key=lambda category: cat2label[category])
