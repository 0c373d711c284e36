"""What does this machine lack, and which command mends it.

Every check takes what it looks at as an argument and answers with the problem in words,
or None. They run before anything is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

TESTED_PYTHON = (3, 11)
GIB = 1 << 30
VENV_GIB = 4
"""The environment with a CPU build of torch takes 1.6 GiB; pip unpacks beside it."""
SCRATCH_GIB = 1
"""Room for a wheel on its way and for mmcv's object files."""


class SetupError(RuntimeError):
    """The environment cannot be made; the message says what to do."""


def require(*problems: str | None) -> None:
    """Raise one error that lists all problems found.

    Raises:
        SetupError: If any of the problems is not None.
    """
    found = [problem for problem in problems if problem]
    if found:
        raise SetupError('\n'.join(found))


def python_problem(version: tuple[int, int]) -> str | None:
    """Whether the tested set exists for this Python."""
    if version == TESTED_PYTHON:
        return None
    name = 'python{}.{}'.format(*TESTED_PYTHON)
    return (
        'Python {}.{} is not supported: '.format(*version)
        + f'the tested set is made for {name}.\n'
        f'  mend: {_apt(name, name + "-venv", name + "-dev")}\n'
        f'  then: make PYTHON={name} ...'
    )


def venv_problem() -> str | None:
    """Whether this Python can make virtual environments; Debian splits that off."""
    if find_spec('ensurepip') and find_spec('venv'):
        return None
    name = 'python{}.{}-venv'.format(*TESTED_PYTHON)
    return f'This Python cannot make virtual environments.\n  mend: {_apt(name)}'


def compiler_problem(compiler: str) -> str | None:
    """Whether mmcv's operators can be compiled.

    Args:
        compiler: The command that torch's extension builder will call.
    """
    mend = f'  mend: {_apt("g++")}'
    if not shutil.which(compiler):
        return f'No C++ compiler ({compiler}) to build mmcv with.\n{mend}'
    result = subprocess.run(
        [compiler, '-x', 'c++', '-fsyntax-only', '-'],
        input='#include <vector>\n',
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        return f'{compiler} does not compile C++: {result.stderr.strip()}\n{mend}'
    return None


def headers_problem(include: Path) -> str | None:
    """Whether Python's own C headers are there.

    Args:
        include: Where this Python says they are.
    """
    if (include / 'Python.h').is_file():
        return None
    name = 'python{}.{}-dev'.format(*TESTED_PYTHON)
    return f'No Python.h in {include} to build mmcv with.\n  mend: {_apt(name)}'


def build_problems() -> list[str | None]:
    """What stands in the way of compiling on this machine."""
    return [
        compiler_problem(os.environ.get('CXX', 'c++')),
        headers_problem(Path(sysconfig.get_paths()['include'])),
    ]


def disk_problem(needs: dict[Path, int]) -> str | None:
    """Whether what will be written finds room.

    Args:
        needs: Folder, existing or not, to the GiB that will be written below it.
            Folders on one file system share its room.
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
                f'Not enough room for {folder}: {want} GiB needed, {free:.1f} free.\n'
                f'  mend: free some (df -h {existing}), or choose other folders: '
                'make VENV=... , XDG_CACHE_HOME=... , TMPDIR=...'
            )
    return None


def disk_needs(venv: Path, cache: Path) -> dict[Path, int]:
    """How many GiB an installation writes, and where."""
    temporary = Path(tempfile.gettempdir())
    return {venv: VENV_GIB, cache: SCRATCH_GIB, temporary: SCRATCH_GIB}


def _existing(folder: Path) -> Path:
    """The folder itself or its nearest parent that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _apt(*packages: str) -> str:
    """The Debian command that installs packages, for this user."""
    sudo = '' if os.geteuid() == 0 else 'sudo '
    return f'{sudo}apt-get install -y {" ".join(packages)}'
