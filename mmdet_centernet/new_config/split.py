"""A set of images with boxes, and its division into train, val and test."""

from __future__ import annotations

import hashlib
import os.path as osp
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALL = 'all'
"""What has no name of a split."""
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
    """Images with boxes, as a COCO file has them.

    Attributes:
        content: ``images``, ``annotations`` and ``categories`` of COCO.
        folder: Where the ``file_name`` of its images counts from.
        source: The COCO file that it was read from; None where it has yet to be
            written.
    """

    content: dict[str, Any]
    folder: Path
    source: Path | None = None

    @property
    def paths(self) -> list[str]:
        """Paths of the images."""
        return [str(self.folder / i['file_name']) for i in self.content['images']]


def split_name(path: Path, root: Path) -> str:
    """Which split a file or folder belongs to.

    Args:
        path: The file or folder, below ``root``.
        root: Folder of the data, whose own name says nothing.

    Returns:
        ``train``, ``val``, ``test`` or ``trainval`` as the name says that is closest to
        the file, such as ``instances_train2017.json`` or ``valid/images``; else
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
    """The content of a COCO file.

    Args:
        images: ``id``, ``file_name``, ``width`` and ``height`` of each.
        annotations: ``image_id``, ``category_id``, ``bbox`` and ``iscrowd`` of each.
        classes: Names of the categories, whose ids count from 1.
    """
    return dict(
        images=list(images),
        annotations=[
            # pycocotools never counts a box with id 0 as found.
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
    """Images by content, whatever their names are.

    A file is read only where another one has the same length.

    Args:
        paths: Files that are there.

    Returns:
        Groups of equal files, sorted; each is sorted, too.
    """
    lengths = defaultdict(list)
    for path in sorted(set(paths)):
        lengths[Path(path).stat().st_size].append(path)
    groups = defaultdict(list)
    for length, same in lengths.items():
        for path in same:
            groups[length, _content(path) if len(same) > 1 else b''].append(path)
    return sorted(groups.values())


def _content(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()


VAL_SHARE = 0.15
"""Of images, where one set has to serve for training and validation."""


def complete(splits: Mapping[str, Split], seed: int) -> dict[str, Split]:
    """Split what is one set.

    Args:
        splits: ``train``, ``val``, ``test``, ``trainval`` or ``all``, as they were
            found.
        seed: Which images are for validation.

    Returns:
        ``train``, ``val`` and, where it was found, ``test``. Those that are new have no
        ``source``.

    Raises:
        ValueError: If it is not clear what to train on.
    """
    found = dict(splits)
    whole = [found.pop(name) for name in (ALL, TRAINVAL) if name in found]
    if len(whole) == 1 and 'train' not in found:
        found['train'] = whole.pop()
    if whole or 'train' not in found:
        raise ValueError(
            f'found {" and ".join(splits)}, which leaves open what to train on: name '
            'files or folders train, val and test, or give a folder with one set, '
            'which is split here'
        )
    if 'val' not in found:
        train, val = divide(found['train'], seed)
        found |= dict(train=train, val=val)
    return {name: found[name] for name in ('train', 'val', 'test') if name in found}


def divide(split: Split, seed: int) -> tuple[Split, Split]:
    """Divide a set in two by chance; equal images stay together.

    Args:
        split: Its images are there.
        seed: The same one gives the same halves, wherever the folder lies.

    Returns:
        Images for training and, about ``VAL_SHARE`` of them, for validation.

    Raises:
        ValueError: If there are no two different images.
    """
    groups = group_equal_images(path for path in split.paths if osp.isfile(path))
    if len(groups) < 2:
        raise ValueError(
            f'{split.folder} has {len(groups)} different images: one is needed for '
            'training and one for validation'
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
    # pycocotools never counts a box with id 0 as found.
    numbered = [
        dict(annotation, id=number) for number, annotation in enumerate(annotations, 1)
    ]
    parts: dict[str, Any] = dict(images=images, annotations=numbered)
    return Split({**split.content, **parts}, split.folder)
