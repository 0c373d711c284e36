"""What stands in a COCO file, and which of its entries mmdet or pycocotools stumble at.

Of LVIS, too, which has the same form with other names of the images.
"""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset, LVISV05Dataset, LVISV1Dataset
from mmengine.fileio import load

from mmdet_centernet.data_report.annotation_file import (
    UNLISTED,
    Annotations,
    local_images,
    rows,
)
from mmdet_centernet.data_report.coco_entries import (
    FIELDS,
    Content,
    double_ids,
    wrong_field,
)
from mmdet_centernet.data_report.coco_evaluation import suspect_evaluation
from mmdet_centernet.data_report.findings import Fault, Problem, sum_up
from mmdet_centernet.label_names import classes_of

COCO_SERVER = 'http://images.cocodataset.org/'
LEN_COCO_NAME = 16
"""Letters of ``000000000000.jpg``, to which LVIS 0.5 cuts names of COCO 2014."""


def read_coco(dataset: CocoDataset) -> Annotations:
    """Read the json of a COCO dataset that has not loaded it.

    Args:
        dataset: Knows the file; its data are not loaded.

    Returns:
        The boxes. Entries that mmdet cannot read are left out, and named among the
        findings.

    Raises:
        ValueError: If it is no JSON, or a list is missing.
        OSError: If it cannot be read.
    """
    content = _load_json(dataset)
    _check_lists(content, dataset)
    sound, problems = _sort_out(content, dataset)
    faults = [*sum_up(problems), *double_ids(content)]
    numbers = {entry['id']: i for i, entry in enumerate(sound['images'])}
    strays = [a for a in sound['annotations'] if a['image_id'] not in numbers]
    entries = [a for a in sound['annotations'] if a['image_id'] in numbers]
    findings = [Fault(f'{dataset.ann_file}: {text}') for text in faults]
    return _pack(
        dataset,
        {**sound, 'annotations': entries},
        findings=(*findings, *_strays(strays, dataset.ann_file)),
        has_annotations='annotations' in content,
    )


def _pack(dataset: CocoDataset, content: Content, **about: Any) -> Annotations:
    """The entries as arrays."""
    images, entries, categories = (content[part] for part in FIELDS)
    numbers = {entry['id']: i for i, entry in enumerate(images)}
    places = {entry['id']: i for i, entry in enumerate(categories)}
    names = tuple(entry['name'] for entry in categories)
    kinds = [places.get(entry['category_id'], UNLISTED) for entry in entries]
    corners = rows([entry['bbox'] for entry in entries], 4)
    corners[:, 2:] += corners[:, :2]
    folder = _folder(dataset)
    paths = tuple(osp.join(folder, _image_name(image, dataset)) for image in images)
    is_lvis = isinstance(dataset, LVISV05Dataset)
    evaluation = [] if is_lvis else suspect_evaluation(entries, dataset.ann_file)
    return Annotations(
        source=dataset.ann_file,
        classes=classes_of(dataset),
        categories=names,
        image_paths=paths,
        image_sizes=rows([(i['width'], i['height']) for i in images], 2),
        boxes=corners,
        images=np.array([numbers[entry['image_id']] for entry in entries], np.int64),
        names=np.array(['' if kind < 0 else names[kind] for kind in kinds], str),
        crowds=np.array([bool(entry.get('iscrowd')) for entry in entries], bool),
        areas=np.array([entry['area'] for entry in entries], float),
        hidden=np.array([bool(entry.get('ignore')) for entry in entries], bool),
        is_coco=True,
        category_ids=tuple(entry['id'] for entry in categories),
        kinds=np.array(kinds, np.int64),
        evaluation_findings=tuple(evaluation),
        has_local_images=local_images(dataset, paths[:1]),
        **about,
    )


def _load_json(dataset: CocoDataset) -> Any:
    path = dataset.ann_file
    try:
        return load(path, file_format='json', backend_args=dataset.backend_args)
    except (ValueError, RecursionError) as error:  # of the encoding, too
        raise ValueError(f'{path} is no JSON in UTF-8: {error}') from error


def _check_lists(content: Any, dataset: CocoDataset) -> None:
    """A file of test images has no boxes, which mmdet's ``CocoDataset`` allows."""
    if isinstance(content, dict) and not isinstance(dataset, LVISV05Dataset):
        content = {'annotations': [], **content}
    for part in FIELDS:
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise ValueError(
                f'{dataset.ann_file} has no list of {part!r}: the COCO format wants '
                f'{list(FIELDS)}'
            )


def _sort_out(content: Content, dataset: CocoDataset) -> tuple[Content, list[Problem]]:
    """The entries that mmdet can read, and what is wrong with the others."""
    sound: Content = {}
    problems = []
    for part, fields in FIELDS.items():
        if isinstance(dataset, LVISV1Dataset):
            fields = tuple('coco_url' if f == 'file_name' else f for f in fields)
        sound[part] = []
        for number, entry in enumerate(content.get(part, [])):
            if (wrong := wrong_field(entry, fields)) is None:
                sound[part].append(entry)
            else:
                kind, text = wrong
                problems.append(Problem(part + kind, f'{part}[{number}]', text))
    return sound, problems


def _strays(entries: Sequence[dict], path: str) -> list[str]:
    """Boxes that mmdet never meets, as it goes from image to image."""
    if not entries:
        return []
    return [
        f'{path}: {len(entries)} annotations belong to images that the file does not '
        f'list, the first to image_id {entries[0]["image_id"]!r}: they are left out'
    ]


def _folder(dataset: CocoDataset) -> str:
    if 'img' not in dataset.data_prefix:
        raise ValueError(
            f'{dataset.ann_file}: data_prefix is {dict(dataset.data_prefix)}; mmdet '
            "wants the folder of the images as dict(img='...')"
        )
    return dataset.data_prefix['img']


def _image_name(image: dict, dataset: CocoDataset) -> str:
    """Where mmdet looks for an image, from its folder on."""
    if isinstance(dataset, LVISV1Dataset):
        return image['coco_url'].replace(COCO_SERVER, '')
    name = image['file_name']
    if isinstance(dataset, LVISV05Dataset) and name.startswith('COCO'):
        return name[-LEN_COCO_NAME:]
    return name
