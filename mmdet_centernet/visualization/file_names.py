"""Names of visualization files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

MAX_LENGTH = 100
"""Letters kept from the end of a path; file systems allow 255 for a name."""


class FileNames:
    """Gives each image path a unique file name, with parent folders where needed."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Returns the name of a path, without suffix; always the same for one path.

        Args:
            path: Image file; images in different folders may share a file name.
        """
        if path not in self._names:
            taken = set(self._names.values())
            self._names[path] = next(n for n in _candidates(path) if n not in taken)
        return self._names[path]


def _candidates(path: str) -> Iterator[str]:
    """Yields ``1``, ``cats_1``, ``train_cats_1`` and so on, then numbered names."""
    parts = Path(path).with_suffix('').parts
    for first in reversed(range(len(parts))):
        yield '_'.join(parts[first:]).replace('/', '')[-MAX_LENGTH:]
    yield from (f'{Path(path).stem[-MAX_LENGTH:]}_{number}' for number in count(2))
