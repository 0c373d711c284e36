"""Checks of images, boxes and categories before a config is written."""

from __future__ import annotations

import os.path as osp
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from mmdet_centernet.data_report.annotation_findings import (
    check_corners,
    check_fractions,
)
from mmdet_centernet.data_report.findings import some
from mmdet_centernet.data_report.images import broken_images, other_sizes
from mmdet_centernet.new_config.split import Split


def check(splits: Mapping[str, Split]) -> None:
    """Look at images and boxes.

    Args:
        splits: ``train``, ``val`` and perhaps ``test``.

    Raises:
        ValueError: If a training would fail or learn nonsense. The message names all
            that was found, with what to do.
    """
    found = [
        f'{split.source or name}: {text}'
        for name, split in splits.items()
        for text in find_faults(split)
    ]
    if found:
        raise ValueError('\n'.join(['this would spoil the training:', *found]))
    check_equal(splits)


def find_faults(split: Split) -> list[str]:
    """What is wrong with a split.

    Returns:
        Sentences, each with what to do.
    """
    return [
        *duplicate_names(split),
        *_missing(split),
        *_broken(split),
        *_other_sizes(split),
        *_boxes(split),
    ]


def _missing(split: Split) -> list[str]:
    missing = [path for path in split.paths if not osp.isfile(path)]
    if not missing:
        return []
    return [
        f'{len(missing)} of {len(split.paths)} images are missing: {some(missing)}. '
        'Copy them there, or take them out of the file'
    ]


def _broken(split: Split) -> list[str]:
    broken = broken_images(split.paths)
    if not broken:
        return []
    path, why = next(iter(broken.items()))
    return [
        f'{len(broken)} of {len(split.paths)} images cannot be read: '
        f'{some(list(broken))} ({path}: {why}). Copy them once more, or take them away'
    ]


def _other_sizes(split: Split) -> list[str]:
    others = other_sizes(split.paths, sizes(split).astype(float))
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{len(others)} images are not as large as is written with their boxes, which '
        f'may lie elsewhere then: {some(list(others))} ({path} has {width} x {height} '
        'pixels). Write the true size; where width and height are exchanged the image '
        'is turned by its EXIF tag, and boxes have to be those of the upright image'
    ]


def sizes(split: Split) -> np.ndarray:
    """(I, 2) width and height of the I images, as the file says."""
    rows = [(one['width'], one['height']) for one in split.content['images']]
    return np.array(rows, float).reshape(-1, 2)


def corners_and_limits(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) x1, y1, x2, y2 of all N boxes, and (N, 2) sizes of their images."""
    annotations = split.content['annotations']
    boxes = np.array([annotation['bbox'] for annotation in annotations], float).reshape(
        -1, 4
    )
    boxes[:, 2:] += boxes[:, :2]
    places = {one['id']: i for i, one in enumerate(split.content['images'])}
    return boxes, sizes(split)[
        [places[annotation['image_id']] for annotation in annotations]
    ]


def _boxes(split: Split) -> list[str]:
    boxes, limits = corners_and_limits(split)
    if not len(boxes):
        return ['there are no boxes: nothing can be learned or tested']
    return check_fractions(boxes) or check_corners(boxes, limits)


def drop_duplicate_categories(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Leave out categories without boxes whose name another one has, too.

    Args:
        splits: Those with a ``source`` stay as they are: that file is not written here.
    """
    used = count_boxes(splits.values())
    return {
        name: split if split.source else _without_duplicates(split, used)
        for name, split in splits.items()
    }


def _without_duplicates(split: Split, used: Counter) -> Split:
    kept = [
        one
        for same in _by_name(split).values()
        for one in ([c for c in same if used[c['id']]] or same[:1])
    ]
    order = [c for c in split.content['categories'] if c in kept]
    return Split({**split.content, 'categories': order}, split.folder)


def count_boxes(splits: Iterable[Split]) -> Counter:
    """Category id to the number of its boxes."""
    return Counter(
        annotation['category_id']
        for split in splits
        for annotation in split.content['annotations']
    )


def _by_name(split: Split) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for category in split.content['categories']:
        found[category['name']].append(category)
    return found


def duplicate_names(split: Split) -> list[str]:
    """Names that two categories have, in sentences that say what to do."""
    counts = count_boxes([split])
    return [
        f'the categories {_described(same, counts)} are all called {name!r}: give all '
        'their boxes one category_id, and take the other categories away'
        for name, same in _by_name(split).items()
        if len(same) > 1
    ]


def _described(categories: Iterable[dict], counts: Counter) -> str:
    return ' and '.join(
        f'id {category["id"]} ({counts[category["id"]]} boxes)'
        for category in categories
    )


def check_equal(splits: Mapping[str, Split]) -> None:
    """Compare the categories of all splits.

    Raises:
        ValueError: If they are not the same, in the same order.
    """
    known = {name: _ids_and_names(split) for name, split in splits.items()}
    others = [name for name in known if known[name] != known['train']]
    if others:
        name = others[0]
        raise ValueError(
            f'train and {name} have different categories (id and name): '
            f'{_differing(known["train"], known[name])}. Write the same list of '
            'categories into all files, and number the boxes by it'
        )


def _ids_and_names(split: Split) -> list[tuple[int, str]]:
    return [(one['id'], one['name']) for one in split.content['categories']]


def _differing(one: list[tuple[int, str]], other: list[tuple[int, str]]) -> str:
    if sorted(one) == sorted(other):
        return f'the order is {one} in one, {other} in the other'
    return (
        f'{sorted(set(one) - set(other))} only in one, '
        f'{sorted(set(other) - set(one))} only in the other'
    )


def used_classes(splits: Mapping[str, Split]) -> list[str]:
    """The categories that have boxes, in the order of the files.

    mmdet numbers classes in that order, whatever the order in ``metainfo`` is. Those
    without a box in any split, such as Roboflow's name of the project, are left out.
    """
    used = count_boxes(splits.values())
    return [
        one['name'] for one in splits['train'].content['categories'] if used[one['id']]
    ]
