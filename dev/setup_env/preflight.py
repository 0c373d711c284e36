"""Checks that run before anything is installed.

Each check returns None or a message with the problem and the command that fixes it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from pins import SETS, SUPPORTED

GIB = 1 << 30
CUDA = sys.platform == 'linux'
"""Whether PyPI has a CUDA build of torch for this system."""
VENV_GIB = 6 if CUDA else 2
"""An environment takes 5.2 GiB with a CUDA build of torch and 1.7 with a CPU build."""
DOWNLOAD_GIB = 3 if CUDA else 1
"""Size of the downloads."""


class SetupError(RuntimeError):
    """The environment cannot be created; the message says what to do."""


def require(*problems: str | None) -> None:
    """Raises one error that lists all problems.

    Raises:
        SetupError: If any of the problems is not None.
    """
    found = [problem for problem in problems if problem]
    if found:
        raise SetupError('\n'.join(found))


def python_problem(version: tuple[int, int]) -> str | None:
    """Checks that there is a pinned set for this Python."""
    if version in SUPPORTED:
        return None
    known = [_name(python) for python in SUPPORTED]
    here = [name for name in reversed(known) if shutil.which(name)]
    fix = f'make PYTHON={here[0]} ...' if here else _install_python()
    return f'{_name(version)} is not supported, {", ".join(known)} are.\n  fix: {fix}'


def set_problem(name: str, version: tuple[int, int]) -> str | None:
    """Checks that all packages of a pinned set have wheels for this Python."""
    pythons = SETS[name].pythons
    if version in pythons:
        return None
    known = ' or '.join(map(_name, pythons))
    return (
        f'The packages of {SETS[name].runtime} have no wheels for {_name(version)}.\n'
        f'  fix: omit PINS={name}, or use {known}: make PYTHON=...'
    )


def venv_problem(version: tuple[int, int]) -> str | None:
    """Checks that this Python has venv, a separate package on Debian."""
    if find_spec('ensurepip') and find_spec('venv'):
        return None
    fix = f'{sudo()}apt-get install -y {_name(version)}-venv'
    return f'This Python cannot create virtual environments.\n  fix: {fix}'


def disk_problem(needs: dict[Path, int]) -> str | None:
    """Checks the free disk space.

    Args:
        needs: Folder, existing or not, to the GiB to be written below it. Folders on
            one file system are added up.
    """
    wanted: dict[int, int] = {}
    folders = {folder: _existing(folder) for folder in needs}
    for folder, existing in folders.items():
        device = existing.stat().st_dev
        wanted[device] = wanted.get(device, 0) + needs[folder]
    for folder, existing in folders.items():
        want = wanted[existing.stat().st_dev]
        free = shutil.disk_usage(existing).free / GIB
        if free < want:
            return (
                f'Not enough disk space for {folder}: {want} GiB needed, {free:.1f} '
                f'free.\n  fix: free some of {existing}, or choose other folders: '
                'make VENV=... , TMPDIR=...'
            )
    return None


def disk_needs(venv: Path) -> dict[Path, int]:
    """Returns the GiB that an installation writes per folder."""
    return {venv: VENV_GIB, Path(tempfile.gettempdir()): DOWNLOAD_GIB}


def sudo() -> str:
    """Returns the prefix of commands that need root."""
    return 'sudo ' if hasattr(os, 'geteuid') and os.geteuid() else ''


def _name(version: tuple[int, int]) -> str:
    return 'python{}.{}'.format(*version)


def _install_python() -> str:
    """Returns instructions for installing a supported Python."""
    return (
        'on Debian 12, 13 and Ubuntu 22.04, 24.04:\n'
        f'    {sudo()}apt-get install -y python3 python3-venv\n'
        '    make PYTHON=/usr/bin/python3 ...\n'
        '  elsewhere: install one of them from python.org, then make PYTHON=...'
    )


def _existing(folder: Path) -> Path:
    """Returns the folder or its nearest existing parent."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
