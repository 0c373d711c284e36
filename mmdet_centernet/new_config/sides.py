"""Which keypoints change names in a mirror image? Their names may say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mmdet_centernet.data_report.findings import some

OTHER_SIDE = dict(left='right', right='left', l='r', r='l')
LONG = ('left', 'right')
WORD = re.compile('[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+')
"""A part of left_eye, leftEye, LEye or l-eye."""

Words = tuple[str, ...]


class Sides(NamedTuple):
    """What names of keypoints say of left and right.

    Attributes:
        pairs: Numbers of keypoints that change names, each pair once.
        doubt: Why images should not be flipped; empty where they may be.
    """

    pairs: tuple[tuple[int, int], ...]
    doubt: str


def find_sides(names: Sequence[str]) -> Sides:
    """Find left and right in names.

    Keypoints without a side stay what they are in a mirror image, unless they are
    merely numbered: corner1 to corner4 may be exchanged.

    Args:
        names: Of all keypoints, no two the same.
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
        return Sides(pairs, f'{some(lonely)} say a side, and the other has no keypoint')
    numbered = [name for name in names if len(name) == 1 or re.search('[0-9]', name)]
    if numbered and not pairs and len(names) > 1:
        return Sides(
            (), f'names as {some(numbered, 2)} do not say what a mirror image exchanges'
        )
    return Sides(pairs, '')


def _words(name: str) -> Words:
    return tuple(word.lower() for word in WORD.findall(name)) or (name,)


def _other_side(word: str) -> str:
    for side in LONG:
        if word.startswith(side):
            return OTHER_SIDE[side] + word.removeprefix(side)
    return OTHER_SIDE.get(word, word)
