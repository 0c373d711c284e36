"""Reads datasets of other formats by letting mmdet load them."""

from __future__ import annotations

import contextlib
import io
import os.path as osp
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset, XMLDataset
from mmengine.fileio import list_from_file

from mmdet_centernet.data_report.annotations import (
    Annotations,
    is_box,
    is_float64,
    local_images,
    rows,
)
from mmdet_centernet.data_report.findings import Fault, Problem, some, sum_up
from mmdet_centernet.label_names import classes_of
from mmdet_centernet.reason import reason

Infos = Sequence[dict[str, Any]]
"""What ``load_data_list`` returns: a dictionary per image."""


def read_loaded(dataset: BaseDetDataset) -> Annotations:
    """Loads a dataset and reads what it hands to the pipeline.

    Args:
        dataset: Lazy dataset of another format, such as mmengine's own.

    Returns:
        The boxes. Invalid instances are left out and reported in ``findings``.

    Raises:
        ValueError: If the dataset cannot be loaded.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            infos = [dict(info) for info in dataset.load_data_list()]
    except Exception as error:  # each format raises its own types
        raise ValueError(
            f'{dataset.ann_file} cannot be read as a {type(dataset).__name__}: '
            f'{_broken_xml(dataset) or reason(error)}'
        ) from error
    problems = [p for number, info in enumerate(infos) for p in _problems(number, info)]
    faults = tuple(Fault(f'{dataset.ann_file}: {text}') for text in sum_up(problems))
    return _pack(dataset, infos, {problem.where for problem in problems}, faults)


def _broken_xml(dataset: BaseDetDataset) -> str:
    """Names the images whose files an ``XMLDataset`` cannot read, with reasons."""
    if not isinstance(dataset, XMLDataset):
        return ''
    found = []
    with contextlib.suppress(Exception):  # the caller reports an unreadable list
        for name in list_from_file(dataset.ann_file):
            folder = osp.join(dataset.sub_data_root, dataset.ann_subdir)
            info = dict(img_id=name, file_name=f'{name}.jpg')
            try:
                dataset.parse_data_info(
                    dict(info, xml_path=osp.join(folder, f'{name}.xml'))
                )
            except Exception as error:
                found.append(f'{name!r} ({reason(error)})')
    return some(found)


def _problems(number: int, info: dict[str, Any]) -> list[Problem]:
    """Returns the instances of an image that mmdet's transforms cannot read."""
    found = []
    for place, instance in enumerate(_instances(info)):
        where = _where(number, place)
        if not isinstance(instance, dict) or not is_box(instance.get('bbox')):
            text = f'has no bbox of four numbers: {instance!r:.100}'
            found.append(Problem('bbox', where, text))
        elif not isinstance(instance.get('bbox_label'), Integral):
            text = f'has the bbox_label {instance.get("bbox_label")!r}; it has to be'
            found.append(Problem('label', where, f'{text} a whole number'))
    return found


def _where(number: int, place: int) -> str:
    return f'data_list[{number}].instances[{place}]'


def _instances(info: dict[str, Any]) -> Sequence[Any]:
    found = info.get('instances')
    return found if isinstance(found, list | tuple) else ()


def _pack(
    dataset: BaseDetDataset,
    infos: Infos,
    invalid: set[str],
    findings: tuple[str, ...],
) -> Annotations:
    """Converts the valid instances to arrays."""
    found: list[tuple[int, dict]] = [
        (number, instance)
        for number, info in enumerate(infos)
        for place, instance in enumerate(_instances(info))
        if _where(number, place) not in invalid
    ]
    labels = [instance['bbox_label'] for _, instance in found]
    known = classes_of(dataset)
    classes = known or tuple(f'label {i}' for i in range(max(labels, default=-1) + 1))
    boxes = rows([instance['bbox'] for _, instance in found], 4)
    paths = tuple(str(info.get('img_path', '')) for info in infos)
    return Annotations(
        source=dataset.ann_file,
        classes=classes,
        categories=classes,
        image_paths=paths,
        image_sizes=rows([_size(info) for info in infos], 2),
        boxes=boxes,
        image_index=np.array([number for number, _ in found], np.int64),
        names=np.array([_name(classes, label) for label in labels], str),
        crowds=np.array([bool(one.get('ignore_flag')) for _, one in found], bool),
        areas=np.abs(boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
        ignored=np.zeros(len(found), bool),
        is_coco=False,
        findings=findings,
        has_local_images=local_images(dataset, paths[:1]),
    )


def _size(info: dict[str, Any]) -> tuple[float, float]:
    sides = (info.get('width'), info.get('height'))
    width, height = (float(s) if is_float64(s) else np.nan for s in sides)  # type: ignore[arg-type]
    return width, height


def _name(classes: Sequence[str], label: int) -> str:
    """Returns the class name of a label; '' if ``metainfo`` lacks it."""
    return classes[label] if 0 <= label < len(classes) else ''
