"""What stands in the xml files of a VOC dataset, and which can mmdet not read?"""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmdet.datasets import XMLDataset
from mmengine.fileio import list_from_file

from mmdet_centernet.data_report.annotation_file import (
    Annotations,
    local_images,
    rows,
)
from mmdet_centernet.data_report.findings import Fault, Problem, some, sum_up
from mmdet_centernet.data_report.voc_file import XmlFile, read_file
from mmdet_centernet.label_names import classes_of


class Line(NamedTuple):
    """A line of the list of images.

    Attributes:
        number: Counted from 1.
        name: The image without its suffix.
        image: Path of the image.
        xml: Path of its boxes.
    """

    number: int
    name: str
    image: str
    xml: str


def read_xml(dataset: XMLDataset) -> Annotations:
    """Read the xml files of a VOC dataset that has not loaded them.

    Args:
        dataset: Knows the list of images; its data are not loaded.

    Returns:
        The boxes as mmdet reads them. Files that it cannot read are left out, and
        named among the findings.

    Raises:
        ValueError: If the list is no text in UTF-8, or the config names no classes.
        OSError: If it cannot be read.
    """
    if not classes_of(dataset):
        raise ValueError(f'{dataset.ann_file}: metainfo has no classes, as VOC needs')
    lines = _read_list(dataset)
    dataset.cat2label = {name: i for i, name in enumerate(classes_of(dataset))}
    named = [line for line in lines if line.name.strip()]
    files = {
        line: read_file(dataset, line.name, line.image, line.xml) for line in named
    }
    readable = [line for line in named if files[line].is_readable]
    findings = (
        *_empty_lines(lines, dataset.ann_file),
        *_doubles(named, dataset.ann_file),
        *_problems(files, dataset.ann_file),
    )
    return _pack(dataset, readable, [files[line] for line in readable], findings)


def _read_list(dataset: XMLDataset) -> list[Line]:
    """The paths as mmdet puts them together."""
    try:
        names = list_from_file(dataset.ann_file, backend_args=dataset.backend_args)
    except ValueError as error:
        raise ValueError(f'{dataset.ann_file} is no text in UTF-8: {error}') from error
    root = dataset.sub_data_root
    return [
        Line(
            number,
            name,
            osp.join(root, dataset.img_subdir, f'{name}.jpg'),
            osp.join(root, dataset.ann_subdir, f'{name}.xml'),
        )
        for number, name in enumerate(names, start=1)
    ]


def _empty_lines(lines: Sequence[Line], path: str) -> Iterator[str]:
    empty = [str(line.number) for line in lines if not line.name.strip()]
    if empty:
        yield Fault(
            f'{path}: nothing stands in line {some(empty)}, where mmdet expects the '
            'name of an image: take the empty lines out'
        )
    elif not lines:
        yield Fault(f'{path} is empty: it has to name an image a line')


def _doubles(lines: Sequence[Line], path: str) -> Iterator[str]:
    counts = Counter(line.name for line in lines)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        yield f'{path}: {len(twice)} images are listed more than once: {some(twice)}'


def _problems(files: dict[Line, XmlFile], path: str) -> Iterator[str]:
    """What is wrong with the xml files, each fault once."""
    for is_fault, make in ((True, Fault), (False, str)):
        problems = [
            Problem(kind, f'{line.xml} (line {line.number})', text)
            for line, file in files.items()
            for kind, text in (file.faults if is_fault else file.doubts)
        ]
        for text in sum_up(problems):
            yield make(f'{path}: {text}')


def _pack(
    dataset: XMLDataset,
    lines: Sequence[Line],
    files: Sequence[XmlFile],
    findings: tuple[str, ...],
) -> Annotations:
    """The objects as arrays."""
    objects: list[tuple[int, Any]] = [
        (number, thing) for number, file in enumerate(files) for thing in file.objects
    ]
    names = [thing.name for _, thing in objects]
    # VOC counts pixels from 1.
    boxes = rows([thing.box for _, thing in objects], 4) - 1
    paths = tuple(line.image for line in lines)
    return Annotations(
        source=dataset.ann_file,
        classes=classes_of(dataset),
        categories=tuple(dict.fromkeys(names)),
        image_paths=paths,
        image_sizes=rows([file.size for file in files], 2),
        boxes=boxes,
        images=np.array([number for number, _ in objects], np.int64),
        names=np.array(names, str),
        crowds=np.array([thing.is_difficult for _, thing in objects], bool),
        areas=(boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
        hidden=np.zeros(len(objects), bool),
        is_coco=False,
        findings=findings,
        has_local_images=local_images(dataset, paths[:1]),
    )
