"""Which photos are for training, and which for validation?"""

from __future__ import annotations

import os.path as osp
import random
from collections.abc import Collection, Mapping
from typing import Any

from mmdet_centernet.new_config.photos import equal_photos
from mmdet_centernet.new_config.split import ALL, TRAINVAL, Split

VAL_SHARE = 0.15
"""Of photos, where one set has to serve for training and validation."""


def complete(splits: Mapping[str, Split], seed: int) -> dict[str, Split]:
    """Split what is one set.

    Args:
        splits: ``train``, ``val``, ``test``, ``trainval`` or ``all``, as they were
            found.
        seed: Which photos are for validation.

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
    """Divide a set in two by chance; equal photos stay together.

    Args:
        split: Its photos are there.
        seed: The same one gives the same halves, wherever the folder lies.

    Returns:
        Photos for training and, about ``VAL_SHARE`` of them, for validation.

    Raises:
        ValueError: If there are no two different photos.
    """
    groups = equal_photos(path for path in split.paths if osp.isfile(path))
    if len(groups) < 2:
        raise ValueError(
            f'{split.folder} has {len(groups)} different photos: one is needed for '
            'training and one for validation'
        )
    random.Random(seed).shuffle(groups)
    wanted = VAL_SHARE * len(split.paths)
    chosen: set[str] = set(groups[0])
    for group in groups[1:-1]:
        if len(chosen) + len(group) / 2 <= wanted:
            chosen.update(group)
    return _part(split, set(split.paths) - chosen), _part(split, chosen)


def _part(split: Split, paths: Collection[str]) -> Split:
    images = [
        image
        for image, path in zip(split.content['images'], split.paths, strict=True)
        if path in paths
    ]
    ids = {image['id'] for image in images}
    notes = [n for n in split.content['annotations'] if n['image_id'] in ids]
    # pycocotools never counts a box with id 0 as found.
    numbered = [dict(note, id=number) for number, note in enumerate(notes, 1)]
    parts: dict[str, Any] = dict(images=images, annotations=numbered)
    return Split({**split.content, **parts}, split.folder)
