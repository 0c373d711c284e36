"""What is already installed in the virtual environment, and is it whole."""

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
    """Where a virtual environment has its interpreter.

    Args:
        folder: The environment.
        system: As `os.name` has it.
    """
    return folder / ('Scripts/python.exe' if system == 'nt' else 'bin/python')


class Environment:
    """A virtual environment that knows which steps of its making are done.

    A step leaves a stamp when it is done. While something is being changed a marker
    lies beside the stamps; whoever finds it starts the environment over, since nobody
    can tell which half of a package was written.

    Args:
        folder: The environment; it belongs to this class alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.python = python_of(self.folder)
        self._state = self.folder / '.setup'
        self._unfinished = self._state / 'unfinished'

    def stamp(self, step: str) -> str | None:
        """The key under which a step was done, if it was and nothing broke since."""
        path = self._state / step
        whole = self.python.exists() and not self._unfinished.exists()
        return path.read_text() if whole and path.exists() else None

    def set_stamp(self, step: str, key: str) -> None:
        """Remember that a step is done."""
        (self._state / step).write_text(key)

    def create(self) -> None:
        """Make the environment anew with the running Python.

        Raises:
            SetupError: If the folder holds something that this class did not make.
        """
        foreign = self.folder.exists() and not self._state.is_dir()
        if foreign and any(self.folder.iterdir()):
            raise SetupError(
                f'{self.folder} was not made by `make`, so it is left alone.\n'
                '  mend: remove it, or choose another: make VENV=...'
            )
        self._state.mkdir(parents=True, exist_ok=True)
        with self.changing():
            self._clear()
            print(f'Making {self.folder} with Python {sys.version.split()[0]}')
            subprocess.run([sys.executable, '-m', 'venv', self.folder], check=True)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Mark the environment as half done for as long as the block runs."""
        self._unfinished.touch()
        yield
        self._unfinished.unlink()

    def run(self, *arguments: str | Path) -> None:
        """Run this environment's Python."""
        subprocess.run([self.python, *arguments], check=True)

    def install(self, *arguments: str | Path) -> None:
        """Call `pip install`."""
        with self.changing():
            self.run('-m', 'pip', '--disable-pip-version-check', 'install', *arguments)

    def install_locked(self, requirements: Iterable[str]) -> None:
        """Install packages, each from a file that has one of its hashes."""
        path = self.folder / 'locked.txt'
        path.write_text('\n'.join(requirements))
        self.install('--no-deps', '--require-hashes', '-r', path)

    def _clear(self) -> None:
        """Remove all but the marker, which is what tells that this is ours."""
        stamps = (path for path in self._state.iterdir() if path != self._unfinished)
        others = (path for path in self.folder.iterdir() if path != self._state)
        for path in (*stamps, *others):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
