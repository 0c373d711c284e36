"""The combinations of versions to test, and their Python interpreters."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A combination of versions.

    Attributes:
        name: For `ROWS=`.
        python: Version of Python.
        options: Of `dev/setup_env`, which creates the environment.
    """

    name: str
    python: str
    options: tuple[str, ...] = ()


ROWS = (
    Row('3.10', '3.10'),
    Row('compiled', '3.11', ('--pins', 'torch2.1', '--mmcv', 'compiled')),
    Row('3.11', '3.11'),
    Row('3.12', '3.12'),
    Row('3.13', '3.13'),
    Row('onedl', '3.11', ('--mmcv', 'onedl')),
)


def choose(names: list[str]) -> list[Row]:
    """Returns the rows with these names, or all if there are no names.

    Raises:
        ValueError: If there is no such row.
    """
    known = [row.name for row in ROWS]
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f'no row {", ".join(sorted(unknown))}; there are {known}')
    return [row for row in ROWS if row.name in names or not names]


def find_python(version: str) -> str | None:
    """Returns a Python of this version from the PATH or from pyenv, else None."""
    return next(
        (path for path in _candidates(version) if _answers(path, version)), None
    )


def _candidates(version: str) -> Iterator[str]:
    on_path = shutil.which(f'python{version}')
    if on_path:
        yield on_path
    if shutil.which('pyenv'):
        command = ['pyenv', 'root']
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        versions = Path(done.stdout.strip()) / 'versions'
        yield from map(str, versions.glob(f'{version}.*/bin/python'))


def _answers(python: str, version: str) -> bool:
    """Whether it runs and has this version; shims of pyenv may fail both."""
    code = 'import sys; print("{}.{}".format(*sys.version_info))'
    done = subprocess.run(
        [python, '-c', code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() == version
