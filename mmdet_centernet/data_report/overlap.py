"""Which images stand in more than one split?"""

from __future__ import annotations

import hashlib
import os.path as osp
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple


class Twins(NamedTuple):
    """Files of two splits with the same content.

    Attributes:
        splits: Both splits.
        paths: For each content one path of each split.
    """

    splits: tuple[str, str]
    paths: list[tuple[str, str]]


def find_twins(splits: Mapping[str, Iterable[str]]) -> list[Twins]:
    """Compare the images of splits by content, whatever their names are.

    A file is read only where another split has one of the same length. Missing, empty
    and unreadable files are not looked at.

    Args:
        splits: Split to the paths of its images.

    Returns:
        An entry for each pair of splits that share an image.
    """
    lengths = {split: _by_length(paths) for split, paths in splits.items()}
    found = []
    for one, other in combinations(lengths, 2):
        pairs = []
        for length in sorted(lengths[one].keys() & lengths[other].keys()):
            first, second = (
                {_content(path): path for path in lengths[split][length]}
                for split in (one, other)
            )
            same = (first.keys() & second.keys()) - {None}
            pairs += [(first[key], second[key]) for key in same]
        if pairs:
            found.append(Twins((one, other), sorted(pairs)))
    return found


def _by_length(paths: Iterable[str]) -> dict[int, list[str]]:
    """Length in bytes to the files that have it."""
    found = defaultdict(list)
    for path in dict.fromkeys(paths):
        if osp.isfile(path) and osp.getsize(path):
            found[osp.getsize(path)].append(path)
    return found


def _content(path: str) -> bytes | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return None
