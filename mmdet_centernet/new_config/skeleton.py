"""Reads the keypoints of a COCO file: names, faults, and pairs that a flip exchanges.

Legend: J keypoints of an object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mmdet_centernet.codecs import KeypointsProperty
from mmdet_centernet.data_report.findings import Problem, some, sum_up
from mmdet_centernet.new_config.checks import count_boxes
from mmdet_centernet.new_config.split import Split

COCO_NAMES = (
    *('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'),
    *('left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow'),
    *('left_wrist', 'right_wrist', 'left_hip', 'right_hip'),
    *('left_knee', 'right_knee', 'left_ankle', 'right_ankle'),
)
SIGMA = 0.05
"""Between COCO's eyes (0.025) and hips (0.107)."""

Category = Mapping[str, Any]


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of all objects.

    Attributes:
        names: Names of the J keypoints.
    """

    names: tuple[str, ...]

    @cached_property
    def flips(self) -> Flips:
        """Flip pairs, found by left and right in the names."""
        return find_flips(self.names)

    @property
    def is_coco(self) -> bool:
        """Whether these are COCO's keypoints, whose sigmas are known."""
        return self.names == COCO_NAMES


def names_keypoints(splits: Mapping[str, Split]) -> bool:
    """Whether a category with boxes names keypoints."""
    return any(category.get('keypoints') for category in _used(splits))


def read_skeleton(splits: Mapping[str, Split]) -> Skeleton:
    """Reads the keypoints, which all categories with boxes must share.

    Args:
        splits: ``train``, ``val`` and perhaps ``test``.

    Raises:
        ValueError: If there are none, categories differ, or annotations do not match.
    """
    first, *others = _used(splits)
    names = _names_of(first)
    different = [one for one in others if _names_of(one) != names]
    if different:
        raise ValueError(
            f'{_described(first)}, {_described(different[0])}: all classes of a model '
            'have the same keypoints. Write a file per kind of object, or one category '
            'for all'
        )
    _check_names(first)
    _check_lines(first, len(names))
    faults = [
        f'{split.source or name}: {text}'
        for name, split in splits.items()
        for text in find_faults(split, len(names))
    ]
    if faults:
        raise ValueError('\n'.join(['this would spoil the training:', *faults]))
    return Skeleton(names)


def _used(splits: Mapping[str, Split]) -> list[Category]:
    """Lists the categories with boxes, of all splits."""
    used = count_boxes(splits.values())
    return [
        category
        for split in splits.values()
        for category in split.content['categories']
        if used[category['id']]
    ]


def _names_of(category: Category) -> tuple[str, ...]:
    return tuple(map(str, category.get('keypoints') or ()))


def _described(category: Category) -> str:
    names = _names_of(category)
    return f'{category["name"]} has {len(names)} keypoints ({some(names) or "none"})'


def _check_names(category: Category) -> None:
    counts = Counter(_names_of(category))
    double = [name for name, count in counts.items() if count > 1]
    if double:
        raise ValueError(
            f'two keypoints of {category["name"]} are called {double[0]!r}: rename one'
        )
    if not counts:
        raise ValueError(
            f'the category {category["name"]} names no keypoints: --task pose needs a '
            'COCO json with the names in "keypoints" of each category, and x, y, '
            'visibility of each keypoint in "keypoints" of each annotation'
        )


def _check_lines(category: Category, count: int) -> None:
    """Checks the skeleton. COCO counts from 1, some files from 0."""
    numbers = [number for pair in category.get('skeleton') or () for number in pair]
    first = 0 if 0 in numbers else 1
    wrong = [one for one in numbers if not first <= one < first + count]
    if wrong:
        raise ValueError(
            f'the skeleton of {category["name"]} joins keypoint {wrong[0]} of {count}: '
            'correct it, or remove "skeleton"'
        )


def read_points(split: Split, count: int) -> np.ndarray:
    """Reads the keypoints of all objects but crowds: (N, J, 2), nan if unlabeled."""
    read = KeypointsProperty(num_points=count).read
    objects = [n for n in split.content['annotations'] if not n.get('iscrowd')]
    points = [read(annotation.get('keypoints')) for annotation in objects]
    return np.array(points, np.float32).reshape(-1, count, 2)


def find_faults(split: Split, count: int) -> list[str]:
    """Lists the faults in the keypoints of a split, each with advice.

    Args:
        split: Split to check.
        count: Number of keypoints J.
    """
    unreadable = sum_up(_unreadable(split, count))
    if unreadable:
        return unreadable
    points = read_points(split, count)
    largest = np.nanmax(points, initial=-np.inf)
    if largest == -np.inf:
        return ['no object has a labeled keypoint (visibility 1 or 2)']
    if largest <= 1:
        return ['keypoints are fractions: multiply them by width and height']
    return []


def _unreadable(split: Split, count: int) -> Iterator[Problem]:
    read = KeypointsProperty(num_points=count).read
    for annotation in split.content['annotations']:
        try:
            read(annotation.get('keypoints'))
        except ValueError as error:
            yield Problem(
                'keypoints',
                f'annotation {annotation["id"]}',
                f'has other keypoints than x, y, visibility of {count}: {error}',
            )


OTHER_SIDE = dict(left='right', right='left', l='r', r='l')
LONG = ('left', 'right')
WORD = re.compile('[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+')
"""A word of left_eye, leftEye, LEye or l-eye."""

Words = tuple[str, ...]


class Flips(NamedTuple):
    """Pairs of keypoints that a flip exchanges.

    Attributes:
        pairs: Indices of left and right keypoints, each pair once.
        problem: Why images should not be flipped; empty if they may be.
    """

    pairs: tuple[tuple[int, int], ...]
    problem: str


def find_flips(names: Sequence[str]) -> Flips:
    """Finds the flip pairs by left and right in the names.

    A flip keeps keypoints without a side, unless they are only numbered: corner1 to
    corner4 may be exchanged.

    Args:
        names: Unique names of all keypoints.
    """
    words = [_words(name) for name in names]
    turned = [tuple(map(_other_side, one)) for one in words]
    partners = {
        number: words.index(other)
        for number, other in enumerate(turned)
        if other != words[number] and other in words
    }
    pairs = tuple((one, two) for one, two in partners.items() if one < two)
    lonely = [
        name
        for number, name in enumerate(names)
        if turned[number] != words[number] and number not in partners
    ]
    if lonely:
        return Flips(
            pairs, f'{some(lonely)} name a side, but the other side has no keypoint'
        )
    numbered = [name for name in names if len(name) == 1 or re.search('[0-9]', name)]
    if numbered and not pairs and len(names) > 1:
        return Flips(
            (), f'names like {some(numbered, 2)} do not tell what a flip exchanges'
        )
    return Flips(pairs, '')


def _words(name: str) -> Words:
    return tuple(word.lower() for word in WORD.findall(name)) or (name,)


def _other_side(word: str) -> str:
    for side in LONG:
        if word.startswith(side):
            return OTHER_SIDE[side] + word.removeprefix(side)
    return OTHER_SIDE.get(word, word)
