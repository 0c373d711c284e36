"""Reads COCO and LVIS files, with findings on entries that mmdet cannot read."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset, LVISV05Dataset, LVISV1Dataset
from mmengine.fileio import load

from mmdet_centernet.data_report.annotations import (
    UNLISTED,
    Annotations,
    is_box,
    is_float64,
    local_images,
    rows,
)
from mmdet_centernet.data_report.evaluation_findings import check_coco_evaluation
from mmdet_centernet.data_report.findings import Fault, Problem, sum_up
from mmdet_centernet.label_names import classes_of

FIELDS = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=('id', 'image_id', 'category_id', 'bbox', 'area'),
    categories=('id', 'name'),
)
"""Fields of a COCO file that mmdet reads without a default."""
TEXTS = ('file_name', 'coco_url', 'name')
NUMBERS = ('width', 'height', 'area')
COCO_SERVER = 'http://images.cocodataset.org/'
LEN_COCO_NAME = 16
"""Length of ``000000000000.jpg``, to which LVIS 0.5 shortens names of COCO 2014."""

Content = dict[str, list[dict]]


def read_coco(dataset: CocoDataset) -> Annotations:
    """Reads the json file of a COCO dataset.

    Args:
        dataset: Lazy dataset.

    Returns:
        The boxes. Entries that mmdet cannot read are left out and reported in
        ``findings``.

    Raises:
        ValueError: If the file is not JSON, or a list is missing.
        OSError: If it cannot be read.
    """
    content = _load_json(dataset)
    _check_lists(content, dataset)
    valid, problems = _split_entries(content, dataset)
    faults = [*sum_up(problems), *duplicate_ids(content)]
    image_ids = {entry['id'] for entry in valid['images']}
    strays = [a for a in valid['annotations'] if a['image_id'] not in image_ids]
    entries = [a for a in valid['annotations'] if a['image_id'] in image_ids]
    findings = [Fault(f'{dataset.ann_file}: {text}') for text in faults]
    return _pack(
        dataset,
        {**valid, 'annotations': entries},
        findings=(*findings, *_stray_annotations(strays, dataset.ann_file)),
        has_annotations='annotations' in content,
    )


def check_entry(entry: Any, fields: Sequence[str]) -> tuple[str, str] | None:
    """Checks an image, an annotation or a category.

    Args:
        entry: An item of one of the lists.
        fields: Required fields.

    Returns:
        The kind of fault, equal for equal faults, and a text to follow the name of the
        entry; None for a valid entry.
    """
    if not isinstance(entry, dict):
        return '', f'is {entry!r}; it has to have {list(fields)}'
    missing = [field for field in fields if field not in entry]
    if missing:
        return f'no {missing}', f'has no {missing}'
    for field in fields:
        if expected := _expected(field, entry[field]):
            return field, f'has the {field} {entry[field]!r}; it has to be {expected}'
    return None


def duplicate_ids(content: Mapping[str, Any]) -> Iterator[str]:
    """Finds ids that several entries have; pycocotools uses the last entry for all.

    Args:
        content: The lists of a file, with any items.

    Yields:
        One finding per list.
    """
    for part in FIELDS:
        entries = content.get(part, [])
        ids = [one.get('id') for one in entries if isinstance(one, dict)]
        counts = Counter(filter(_is_id, ids))
        repeated = [id_ for id_, count in counts.items() if count > 1]
        if repeated:
            yield (
                f'{len(repeated)} ids of {part} occur more than once, such as '
                f'{repeated[0]!r}: renumber the {part}'
            )


def _expected(field: str, value: Any) -> str | None:
    """Returns the expected type of a field if its value has another one."""
    if field == 'bbox':
        return None if is_box(value) else '[x, y, width, height]'
    if field in NUMBERS:
        return None if is_float64(value) else 'a number'
    if field in TEXTS:
        return None if isinstance(value, str) else 'a string'
    return None if _is_id(value) else 'a whole number'


def _is_id(value: Any) -> bool:
    """Mmdet accepts strings, and numbers such as 3.0, as ids."""
    is_whole = isinstance(value, float) and value.is_integer()
    return is_whole or isinstance(value, int | str)


def _pack(dataset: CocoDataset, content: Content, **fields: Any) -> Annotations:
    """Converts the entries to arrays."""
    images, entries, categories = (content[part] for part in FIELDS)
    image_index = {entry['id']: i for i, entry in enumerate(images)}
    category_index = {entry['id']: i for i, entry in enumerate(categories)}
    names = tuple(entry['name'] for entry in categories)
    indices = [category_index.get(entry['category_id'], UNLISTED) for entry in entries]
    boxes = rows([entry['bbox'] for entry in entries], 4)
    boxes[:, 2:] += boxes[:, :2]
    folder = _folder(dataset)
    paths = tuple(osp.join(folder, _image_name(image, dataset)) for image in images)
    is_lvis = isinstance(dataset, LVISV05Dataset)
    evaluation = [] if is_lvis else check_coco_evaluation(entries, dataset.ann_file)
    return Annotations(
        source=dataset.ann_file,
        classes=classes_of(dataset),
        categories=names,
        image_paths=paths,
        image_sizes=rows([(i['width'], i['height']) for i in images], 2),
        boxes=boxes,
        image_index=np.array([image_index[e['image_id']] for e in entries], np.int64),
        names=np.array(['' if i == UNLISTED else names[i] for i in indices], str),
        crowds=np.array([bool(entry.get('iscrowd')) for entry in entries], bool),
        areas=np.array([entry['area'] for entry in entries], float),
        ignored=np.array([bool(entry.get('ignore')) for entry in entries], bool),
        is_coco=True,
        category_ids=tuple(entry['id'] for entry in categories),
        category_index=np.array(indices, np.int64),
        evaluation_findings=tuple(evaluation),
        has_local_images=local_images(dataset, paths[:1]),
        **fields,
    )


def _load_json(dataset: CocoDataset) -> Any:
    path = dataset.ann_file
    try:
        return load(path, file_format='json', backend_args=dataset.backend_args)
    except (ValueError, RecursionError) as error:  # includes decoding errors
        raise ValueError(f'{path} is not JSON in UTF-8: {error}') from error


def _check_lists(content: Any, dataset: CocoDataset) -> None:
    """``CocoDataset`` accepts test files without annotations, LVIS does not."""
    if isinstance(content, dict) and not isinstance(dataset, LVISV05Dataset):
        content = {'annotations': [], **content}
    for part in FIELDS:
        if not isinstance(content, dict) or not isinstance(content.get(part), list):
            raise ValueError(
                f'{dataset.ann_file} has no list of {part!r}: a COCO file has '
                f'{list(FIELDS)}'
            )


def _split_entries(
    content: Content, dataset: CocoDataset
) -> tuple[Content, list[Problem]]:
    """Returns the entries that mmdet can read, and the faults of the others."""
    valid: Content = {}
    problems = []
    for part, fields in FIELDS.items():
        if isinstance(dataset, LVISV1Dataset):
            fields = tuple('coco_url' if f == 'file_name' else f for f in fields)
        valid[part] = []
        for number, entry in enumerate(content.get(part, [])):
            if (fault := check_entry(entry, fields)) is None:
                valid[part].append(entry)
            else:
                kind, text = fault
                problems.append(Problem(part + kind, f'{part}[{number}]', text))
    return valid, problems


def _stray_annotations(entries: Sequence[dict], path: str) -> list[str]:
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
            "needs the folder of the images as dict(img='...')"
        )
    return dataset.data_prefix['img']


def _image_name(image: dict, dataset: CocoDataset) -> str:
    """Returns the path of an image below the image folder, as mmdet forms it."""
    if isinstance(dataset, LVISV1Dataset):
        return image['coco_url'].replace(COCO_SERVER, '')
    name = image['file_name']
    if isinstance(dataset, LVISV05Dataset) and name.startswith('COCO'):
        return name[-LEN_COCO_NAME:]
    return name
