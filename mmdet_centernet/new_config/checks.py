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
    """Checks images, boxes and categories.

    Args:
        splits: ``train``, ``val`` and perhaps ``test``.

    Raises:
        ValueError: If training would fail or learn wrong boxes. The message lists all
            faults and how to fix them.
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
    """Lists the faults of a split, each with advice."""
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
        'Copy them there, or remove them from the file'
    ]


def _broken(split: Split) -> list[str]:
    broken = broken_images(split.paths)
    if not broken:
        return []
    path, why = next(iter(broken.items()))
    return [
        f'{len(broken)} of {len(split.paths)} images cannot be read: '
        f'{some(list(broken))} ({path}: {why}). Copy them again, or remove them'
    ]


def _other_sizes(split: Split) -> list[str]:
    others = other_sizes(split.paths, sizes(split).astype(float))
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{len(others)} images are not as large as the annotations say, so their boxes '
        f'may be misplaced: {some(list(others))} ({path} has {width} x {height} '
        'pixels). Correct the sizes. Where width and height are exchanged, an EXIF tag '
        'rotates the image: annotate the upright image'
    ]


def sizes(split: Split) -> np.ndarray:
    """Returns width and height of the I images as the file states them: (I, 2)."""
    rows = [(one['width'], one['height']) for one in split.content['images']]
    return np.array(rows, float).reshape(-1, 2)


def corners_and_limits(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Returns the N boxes as xyxy, (N, 4), and the sizes of their images, (N, 2)."""
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
        return ['there are no boxes to train or test on']
    return check_fractions(boxes) or check_corners(boxes, limits)


def drop_duplicate_categories(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Removes categories without boxes whose name another category has as well.

    Args:
        splits: Splits with a ``source`` are unchanged, as their file is not rewritten.
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
    """Counts the boxes of each category id."""
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
    """Reports names that several categories share, with advice."""
    counts = count_boxes([split])
    return [
        f'the categories {_described(same, counts)} are all called {name!r}: give '
        'their boxes one category_id and remove the other categories'
        for name, same in _by_name(split).items()
        if len(same) > 1
    ]


def _described(categories: Iterable[dict], counts: Counter) -> str:
    return ' and '.join(
        f'id {category["id"]} ({counts[category["id"]]} boxes)'
        for category in categories
    )


def check_equal(splits: Mapping[str, Split]) -> None:
    """Compares the categories of all splits.

    Raises:
        ValueError: If ids, names or their order differ.
    """
    known = {name: _ids_and_names(split) for name, split in splits.items()}
    others = [name for name in known if known[name] != known['train']]
    if others:
        name = others[0]
        raise ValueError(
            f'train and {name} have different categories (id and name): '
            f'{_differing(known["train"], known[name])}. Use the same list of '
            'categories in all files, and number the boxes accordingly'
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
    """Lists the categories that have boxes, in the order of the files.

    mmdet numbers classes in this order, not in that of ``metainfo``. Categories without
    a box in any split, such as Roboflow's project name, are left out.
    """
    used = count_boxes(splits.values())
    return [
        one['name'] for one in splits['train'].content['categories'] if used[one['id']]
    ]
