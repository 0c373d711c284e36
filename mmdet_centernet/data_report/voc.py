"""Reads the image list and the XML files of a VOC dataset."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from mmdet.datasets import XMLDataset
from mmengine.fileio import list_from_file

from mmdet_centernet.data_report.annotations import (
    Annotations,
    local_images,
    rows,
)
from mmdet_centernet.data_report.findings import Fault, Problem, some, sum_up
from mmdet_centernet.data_report.voc_xml import Object, XmlFile, read_file
from mmdet_centernet.label_names import classes_of


class Line(NamedTuple):
    """A line of the image list.

    Attributes:
        number: Line number, from 1.
        name: Image name without suffix.
        image: Path of the image.
        xml: Path of the XML file.
    """

    number: int
    name: str
    image: str
    xml: str


def read_xml(dataset: XMLDataset) -> Annotations:
    """Reads the XML files of a VOC dataset.

    Args:
        dataset: Lazy dataset.

    Returns:
        The boxes as mmdet reads them. Files that mmdet cannot read are left out and
        reported in ``findings``.

    Raises:
        ValueError: If the list is not text in UTF-8, or the config names no classes.
        OSError: If the list cannot be read.
    """
    if not classes_of(dataset):
        raise ValueError(f'{dataset.ann_file}: VOC datasets need metainfo.classes')
    lines = _read_list(dataset)
    dataset.cat2label = {name: i for i, name in enumerate(classes_of(dataset))}
    named = [line for line in lines if line.name.strip()]
    files = {
        line: read_file(dataset, line.name, line.image, line.xml) for line in named
    }
    readable = [line for line in named if files[line].is_readable]
    findings = (
        *_empty_lines(lines, dataset.ann_file),
        *_repeated_names(named, dataset.ann_file),
        *_problems(files, dataset.ann_file),
    )
    return _pack(dataset, readable, [files[line] for line in readable], findings)


def _read_list(dataset: XMLDataset) -> list[Line]:
    """Reads the image list, with paths as mmdet forms them."""
    try:
        names = list_from_file(dataset.ann_file, backend_args=dataset.backend_args)
    except ValueError as error:
        raise ValueError(f'{dataset.ann_file} is not text in UTF-8: {error}') from error
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
            f'{path}: empty lines ({some(empty)}), which mmdet reads as image names: '
            'remove them'
        )
    elif not lines:
        yield Fault(f'{path} is empty: it has to name one image per line')


def _repeated_names(lines: Sequence[Line], path: str) -> Iterator[str]:
    counts = Counter(line.name for line in lines)
    names = [name for name, count in counts.items() if count > 1]
    if names:
        yield f'{path}: {len(names)} images are listed more than once: {some(names)}'


def _problems(files: dict[Line, XmlFile], path: str) -> Iterator[str]:
    """Reports each kind of problem of the XML files once."""
    for is_fault, make in ((True, Fault), (False, str)):
        problems = [
            Problem(kind, f'{line.xml} (line {line.number})', text)
            for line, file in files.items()
            for kind, text in (file.faults if is_fault else file.warnings)
        ]
        for text in sum_up(problems):
            yield make(f'{path}: {text}')


def _pack(
    dataset: XMLDataset,
    lines: Sequence[Line],
    files: Sequence[XmlFile],
    findings: tuple[str, ...],
) -> Annotations:
    """Converts the objects to arrays."""
    objects: list[tuple[int, Object]] = [
        (number, one) for number, file in enumerate(files) for one in file.objects
    ]
    names = [one.name for _, one in objects]
    boxes = rows([one.box for _, one in objects], 4) - 1  # VOC's first pixel is 1
    sides = boxes[:, 2:] - boxes[:, :2]
    paths = tuple(line.image for line in lines)
    return Annotations(
        source=dataset.ann_file,
        classes=classes_of(dataset),
        categories=tuple(dict.fromkeys(names)),
        image_paths=paths,
        image_sizes=rows([file.size for file in files], 2),
        boxes=boxes,
        image_index=np.array([number for number, _ in objects], np.int64),
        names=np.array(names, str),
        crowds=np.array([one.is_difficult for _, one in objects], bool),
        areas=sides.prod(axis=1),
        ignored=(sides < (dataset.bbox_min_size or 0)).any(axis=1),
        is_coco=False,
        findings=findings,
        has_local_images=local_images(dataset, paths[:1]),
    )
