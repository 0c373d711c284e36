"""Sets of images with boxes, and their division into train, val and test."""

from __future__ import annotations

import os.path as osp
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_centernet.data_report.images import file_digest

ALL = 'all'
"""Files and folders whose name states no split."""
TRAINVAL = 'trainval'
NAMES = {
    'train': 'train',
    'training': 'train',
    'trainval': TRAINVAL,
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}


@dataclass(frozen=True)
class Split:
    """Images and annotations of a COCO file.

    Attributes:
        content: ``images``, ``annotations`` and ``categories`` of COCO.
        folder: Folder that the ``file_name`` of its images is relative to.
        source: COCO file that it was read from; None if it is not written yet.
    """

    content: dict[str, Any]
    folder: Path
    source: Path | None = None

    @property
    def paths(self) -> list[str]:
        """Paths of the images."""
        return [str(self.folder / i['file_name']) for i in self.content['images']]


def split_name(path: Path, root: Path) -> str:
    """Finds the split that a file or folder belongs to, by its name.

    Args:
        path: The file or folder, below ``root``.
        root: Folder of the data; its own name does not count.

    Returns:
        ``train``, ``val``, ``test`` or ``trainval``, from the innermost name that
        states one, such as ``instances_train2017.json`` or ``valid/images``; else
        ``all``.
    """
    for part in reversed(path.relative_to(root).parts):
        for word in re.findall('[a-z]+', part.lower()):
            if word in NAMES:
                return NAMES[word]
    return ALL


def coco_content(
    images: Iterable[dict], annotations: Iterable[dict], classes: Iterable[str]
) -> dict[str, Any]:
    """Builds the content of a COCO file.

    Args:
        images: ``id``, ``file_name``, ``width`` and ``height`` of each.
        annotations: ``image_id``, ``category_id``, ``bbox`` and ``iscrowd`` of each.
        classes: Names of the categories; their ids start at 1.
    """
    return dict(
        images=list(images),
        annotations=[
            # pycocotools treats id 0 as unmatched.
            dict(
                annotation,
                id=number,
                area=annotation['bbox'][2] * annotation['bbox'][3],
            )
            for number, annotation in enumerate(annotations, 1)
        ],
        categories=[dict(id=id_, name=name) for id_, name in enumerate(classes, 1)],
    )


def group_equal_images(paths: Iterable[str]) -> list[list[str]]:
    """Groups files of equal content.

    Only files of equal length are read.

    Args:
        paths: Existing files.

    Returns:
        Groups of equal files, sorted inside and among each other.
    """
    lengths = defaultdict(list)
    for path in sorted(set(paths)):
        lengths[Path(path).stat().st_size].append(path)
    groups = defaultdict(list)
    for length, same in lengths.items():
        for path in same:
            groups[length, file_digest(path) if len(same) > 1 else b''].append(path)
    return sorted(groups.values())


VAL_SHARE = 0.15
"""Share of the images for validation, where one set is divided."""


def complete(splits: Mapping[str, Split], seed: int) -> dict[str, Split]:
    """Divides a single set into train and val.

    Args:
        splits: ``train``, ``val``, ``test``, ``trainval`` or ``all``, as found.
        seed: Seed of the division.

    Returns:
        ``train``, ``val`` and, if it was found, ``test``. New splits have no
        ``source``.

    Raises:
        ValueError: If the training set is ambiguous.
    """
    found = dict(splits)
    whole = [found.pop(name) for name in (ALL, TRAINVAL) if name in found]
    if len(whole) == 1 and 'train' not in found:
        found['train'] = whole.pop()
    if whole or 'train' not in found:
        raise ValueError(
            f'found {" and ".join(splits)}, which leaves open what to train on: name '
            'files or folders train, val and test, or give a folder with one set; '
            'this command divides it'
        )
    if 'val' not in found:
        train, val = divide(found['train'], seed)
        found |= dict(train=train, val=val)
    return {name: found[name] for name in ('train', 'val', 'test') if name in found}


def divide(split: Split, seed: int) -> tuple[Split, Split]:
    """Divides a set at random; equal images stay together.

    Args:
        split: Split whose images exist.
        seed: Seed of the division, which does not depend on the path of the folder.

    Returns:
        The training and the validation part, about ``VAL_SHARE`` of the images.

    Raises:
        ValueError: If there are fewer than two different images.
    """
    groups = group_equal_images(path for path in split.paths if osp.isfile(path))
    if len(groups) < 2:
        raise ValueError(
            f'{split.folder} has {len(groups)} different images; training and '
            'validation need one each'
        )
    random.Random(seed).shuffle(groups)
    target = VAL_SHARE * len(split.paths)
    chosen: set[str] = set(groups[0])
    for group in groups[1:-1]:
        if len(chosen) + len(group) / 2 <= target:
            chosen.update(group)
    return _part(split, set(split.paths) - chosen), _part(split, chosen)


def _part(split: Split, paths: Collection[str]) -> Split:
    images = [
        image
        for image, path in zip(split.content['images'], split.paths, strict=True)
        if path in paths
    ]
    ids = {image['id'] for image in images}
    annotations = [n for n in split.content['annotations'] if n['image_id'] in ids]
    # pycocotools treats id 0 as unmatched.
    numbered = [
        dict(annotation, id=number) for number, annotation in enumerate(annotations, 1)
    ]
    parts: dict[str, Any] = dict(images=images, annotations=numbered)
    return Split({**split.content, **parts}, split.folder)
