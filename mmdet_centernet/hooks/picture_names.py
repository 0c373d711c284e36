"""What are pictures called, so that none takes the place of another?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

LETTERS = 100
"""The last ones of a path, since names of files may not be longer than 255."""


class PictureNames:
    """Gives each image a name for its pictures: its own, with folders where needed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The same name for the same path, different ones for different paths.

        Args:
            path: An image; images of the same name may lie in several folders.
        """
        if path not in self._names:
            taken = set(self._names.values())
            self._names[path] = next(n for n in _candidates(path) if n not in taken)
        return self._names[path]


def _candidates(path: str) -> Iterator[str]:
    """``1``, then ``cats_1``, ``train_cats_1`` and so on, then with a number."""
    parts = Path(path).with_suffix('').parts
    for first in reversed(range(len(parts))):
        yield '_'.join(parts[first:]).replace('/', '')[-LETTERS:]
    yield from (f'{Path(path).stem[-LETTERS:]}_{number}' for number in count(2))
