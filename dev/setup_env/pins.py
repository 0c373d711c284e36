"""The pinned sets of packages for each Python."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

REQUIREMENTS = Path(__file__).resolve().parents[2] / 'requirements'


class PinnedSet(NamedTuple):
    """Packages that are tested together, as lists in `requirements/`.

    Attributes:
        pythons: The Pythons for which all of them have wheels.
        runtime: List of the packages that the quick start needs.
        lock: The same list with hashes; written by `make lock`.
        dev: Lists of the additional packages for tests, lint and docs.
    """

    pythons: tuple[tuple[int, int], ...]
    runtime: str
    lock: str
    dev: tuple[str, ...]


SETS = {
    'runtime': PinnedSet(
        ((3, 11), (3, 12), (3, 13)), 'runtime.txt', 'lock.txt', ('dev.txt', 'docs.txt')
    ),
    'torch2.1': PinnedSet(
        ((3, 10), (3, 11)), 'torch2.1.txt', 'torch2.1-lock.txt', ('torch2.1-dev.txt',)
    ),
}
"""Values of `--pins`; the first set that supports a Python is its default."""
SUPPORTED = sorted({python for pinned in SETS.values() for python in pinned.pythons})


def default_set(python: tuple[int, int]) -> str:
    """Returns the name of the default set for a supported Python."""
    return next(name for name, pinned in SETS.items() if python in pinned.pythons)


def text_of(name: str) -> str:
    """Returns the text of a list."""
    return (REQUIREMENTS / name).read_text(encoding='utf-8')


def read_requirements(name: str) -> dict[str, str]:
    """Reads the requirement of each package, including hashes."""
    lines = text_of(name).replace('\\\n', '').splitlines()
    kept = [line for line in lines if line and line[0] != '#']
    return {line.partition('==')[0]: line for line in kept}
