"""A virtual environment that records which installation steps are complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from preflight import SetupError


def python_of(folder: Path, system: str = os.name) -> Path:
    """Returns the interpreter of a virtual environment.

    Args:
        folder: The environment.
        system: `os.name`.
    """
    return folder / ('Scripts/python.exe' if system == 'nt' else 'bin/python')


class Environment:
    """A virtual environment that records which steps are complete.

    Each complete step has a stamp file. A marker file exists during each change. If it
    is found at the start, an installation was interrupted, some package may be
    incomplete, and the environment is created again.

    Args:
        folder: The environment; only this class may write to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.python = python_of(self.folder)
        self._state = self.folder / '.setup'
        self._unfinished = self._state / 'unfinished'

    def stamp(self, step: str) -> str | None:
        """Returns the key of a complete step, None if it has to run."""
        path = self._state / step
        intact = self.python.exists() and not self._unfinished.exists()
        return path.read_text() if intact and path.exists() else None

    def set_stamp(self, step: str, key: str) -> None:
        """Records that a step is complete."""
        (self._state / step).write_text(key)

    def create(self) -> None:
        """Creates the environment again with the running Python.

        Raises:
            SetupError: If the folder contains something else.
        """
        foreign = self.folder.exists() and not self._state.is_dir()
        if foreign and any(self.folder.iterdir()):
            raise SetupError(
                f'{self.folder} was not made by `make` and is left unchanged.\n'
                '  fix: remove it, or choose another: make VENV=...'
            )
        self._state.mkdir(parents=True, exist_ok=True)
        with self.changing():
            self._clear()
            print(f'Creating {self.folder} with Python {sys.version.split()[0]}')
            subprocess.run([sys.executable, '-m', 'venv', self.folder], check=True)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Marks the environment as incomplete while the block runs."""
        self._unfinished.touch()
        yield
        self._unfinished.unlink()

    def run(self, *arguments: str | Path) -> None:
        """Runs the Python of this environment."""
        subprocess.run([self.python, *arguments], check=True)

    def install(self, *arguments: str | Path) -> None:
        """Runs `pip install`."""
        with self.changing():
            self.run('-m', 'pip', '--disable-pip-version-check', 'install', *arguments)

    def install_locked(self, requirements: Iterable[str]) -> None:
        """Installs packages from files whose hashes match the lock."""
        path = self.folder / 'locked.txt'
        path.write_text('\n'.join(requirements))
        self.install('--no-deps', '--require-hashes', '-r', path)

    def _clear(self) -> None:
        """Removes everything but the marker, which identifies this environment."""
        stamps = (path for path in self._state.iterdir() if path != self._unfinished)
        others = (path for path in self.folder.iterdir() if path != self._state)
        for path in (*stamps, *others):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
