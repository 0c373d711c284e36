"""What stands in annotation files, before mmdet leaves anything out.

Legend: I images, N boxes. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from mmdet.datasets import CocoDataset, XMLDataset
from mmdet.registry import DATASETS
from mmengine.fileio import get_text, load

COCO_FIELDS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id', 'bbox', 'area'),
    categories=('id', 'name'),
)
"""What mmdet reads of a COCO file without asking whether it is there."""
NUMBERS = ('width', 'height', 'area')
VOC_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
DIFFICULT = ('1', 'true', 'True')


@dataclass(frozen=True)
class Annotations:
    """The boxes of one annotation file.

    Attributes:
        source: The file.
        classes: What the config calls the classes, in the order of their labels.
        categories: What the file calls them, in its order.
        image_paths: I paths.
        image_sizes: (I, 2) width and height.
        boxes: (N, 4) float64, as they stand there.
        images: (N,) int64 image of each box.
        names: (N,) category of each box; empty where the file does not name it.
        crowds: (N,) bool, regions that are ignored on purpose: COCO's crowds, VOC's
            difficult objects.
        areas: (N,) what the file gives as the area.
        hidden: (N,) bool, boxes that the file itself marks with ``ignore``.
        is_coco: Whether the file is COCO's; else it is a list of VOC's.
        can_evaluate: Whether pycocotools finds all that it asks for in an evaluation.
    """

    source: str
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    image_paths: tuple[str, ...]
    image_sizes: np.ndarray
    boxes: np.ndarray
    images: np.ndarray
    names: np.ndarray
    crowds: np.ndarray
    areas: np.ndarray
    hidden: np.ndarray
    is_coco: bool
    can_evaluate: bool = True


def read_annotations(cfg: Mapping[str, Any]) -> list[Annotations]:
    """Read the annotation files behind a dataset.

    Args:
        cfg: Config of a dataset, which may wrap others.

    Returns:
        One entry a file. Datasets that are neither ``CocoDataset`` nor ``XMLDataset``
        nor made from one are left out.

    Raises:
        ValueError: If a file lacks what mmdet needs.
        OSError: If a file cannot be read.
    """
    found = []
    for inner in innermost(cfg):
        dataset = DATASETS.build({**inner, 'lazy_init': True, 'pipeline': []})
        if isinstance(dataset, CocoDataset):
            found.append(read_coco(dataset))
        elif isinstance(dataset, XMLDataset):
            found.append(read_xml(dataset))
    return found


def innermost(cfg: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configs of the datasets that read files."""
    wrapped = [*cfg.get('datasets', ()), cfg.get('dataset')]
    if not any(wrapped):
        yield cfg
    for inner in filter(None, wrapped):
        yield from innermost(inner)


def read_coco(dataset: CocoDataset) -> Annotations:
    """Read the json of a COCO dataset that has not loaded it.

    Raises:
        ValueError: If it is no JSON, a field is missing or of the wrong kind, an id is
            there twice, or a box belongs to no image.
    """
    content = _load_json(dataset)
    _check_fields(content, dataset.ann_file)
    _check_ids(content, dataset.ann_file)
    names = {entry['id']: entry['name'] for entry in content['categories']}
    numbers = {entry['id']: i for i, entry in enumerate(content['images'])}
    entries = content['annotations']
    strays = [a for a in entries if a['image_id'] not in numbers]
    if strays:
        raise ValueError(
            f'{dataset.ann_file}: {len(strays)} annotations belong to images that the '
            f'file does not list, the first to image_id {strays[0]["image_id"]!r}'
        )
    corners = _array([entry['bbox'] for entry in entries], 4)
    corners[:, 2:] += corners[:, :2]
    folder = Path(dataset.data_prefix['img'])
    return Annotations(
        source=dataset.ann_file,
        classes=tuple(dataset.metainfo['classes']),
        categories=tuple(names.values()),
        image_paths=tuple(str(folder / i['file_name']) for i in content['images']),
        image_sizes=_array([(i['width'], i['height']) for i in content['images']], 2),
        boxes=corners,
        images=np.array([numbers[entry['image_id']] for entry in entries], np.int64),
        names=np.array([names.get(entry['category_id'], '') for entry in entries], str),
        crowds=np.array([bool(entry.get('iscrowd')) for entry in entries], bool),
        areas=np.array([entry['area'] for entry in entries], float),
        hidden=np.array([bool(entry.get('ignore')) for entry in entries], bool),
        is_coco=True,
        can_evaluate=all('iscrowd' in entry for entry in entries),
    )


def read_xml(dataset: XMLDataset) -> Annotations:
    """Read the xml files of a VOC dataset that has not loaded them."""
    infos = dataset.load_data_list()
    objects = [
        (number, node)
        for number, info in enumerate(infos)
        for node in _parse(info['xml_path'], dataset.backend_args).iter('object')
    ]
    names = np.array([node.findtext('name', '') for _, node in objects], str)
    # VOC counts pixels from 1.
    boxes = _array([_corners(node) for _, node in objects], 4) - 1
    return Annotations(
        source=dataset.ann_file,
        classes=tuple(dataset.metainfo['classes']),
        categories=tuple(dict.fromkeys(names.tolist())),
        image_paths=tuple(info['img_path'] for info in infos),
        image_sizes=_array([(info['width'], info['height']) for info in infos], 2),
        boxes=boxes,
        images=np.array([number for number, _ in objects], np.int64),
        names=names,
        crowds=np.array(
            [n.findtext('difficult') in DIFFICULT for _, n in objects], bool
        ),
        areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
        hidden=np.zeros(len(objects), bool),
        is_coco=False,
    )


def _load_json(dataset: CocoDataset) -> Any:
    try:
        return load(
            dataset.ann_file, file_format='json', backend_args=dataset.backend_args
        )
    except ValueError as error:  # of the encoding, too
        raise ValueError(f'{dataset.ann_file} is no JSON in UTF-8: {error}') from error


def _check_fields(content: Any, path: str) -> None:
    """Whether a COCO file has what mmdet reads of it, in the right form."""
    for part, fields in COCO_FIELDS.items():
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise ValueError(
                f'{path} has no list of {part!r}: the COCO format wants '
                f'{list(COCO_FIELDS)}'
            )
        for number, entry in enumerate(content[part]):
            wrong = _wrong_field(entry, fields)
            if wrong:
                raise ValueError(f'{path}: {part}[{number}] {wrong}')


def _wrong_field(entry: Any, fields: Sequence[str]) -> str | None:
    """What is wrong with an image, an annotation or a category."""
    if not isinstance(entry, dict):
        return f'is {entry!r}; it has to have {list(fields)}'
    missing = [field for field in fields if field not in entry]
    if missing:
        return f'has no {missing}'
    for field in fields:
        value = entry[field]
        if field.endswith('id') and not isinstance(value, int | str):
            return f'has the {field} {value!r}; it has to be a whole number'
        if field in NUMBERS and not isinstance(value, Real):
            return f'has the {field} {value!r}; it has to be a number'
        if field.endswith('name') and not isinstance(value, str):
            return f'has the {field} {value!r}; it has to be a text'
    if 'bbox' in fields and not _is_box(entry['bbox']):
        return f'has the bbox {entry["bbox"]!r}; it has to be [x, y, width, height]'
    return None


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, list)
        and len(box) == len(('x', 'y', 'width', 'height'))
        and all(isinstance(value, Real) for value in box)
    )


def _check_ids(content: dict[str, list[dict]], path: str) -> None:
    """Of entries with the same id pycocotools would take the last one for all."""
    for part, entries in content.items():
        if part not in COCO_FIELDS:
            continue
        counts = Counter(entry['id'] for entry in entries)
        twice = [id_ for id_, count in counts.items() if count > 1]
        if twice:
            raise ValueError(
                f'{path}: {len(twice)} ids of {part} are there more than once, such as '
                f'{twice[0]!r}: number the {part} anew'
            )


def _parse(path: str, backend_args: dict | None) -> ElementTree.Element:
    # As mmdet reads it: expat sets entities a limit, and loads none from elsewhere.
    return ElementTree.fromstring(get_text(path, backend_args=backend_args))  # noqa: S314


def _corners(node: ElementTree.Element) -> list[float]:
    return [float(node.findtext(f'bndbox/{name}', 'nan')) for name in VOC_CORNERS]


def _array(rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    return np.array(rows, float).reshape(-1, columns)
