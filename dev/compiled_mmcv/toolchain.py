"""Can this machine compile an extension of Python, and which command mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def problems(compiler: str, include: Path, python: str) -> list[str]:
    """What stands in the way of compiling.

    Args:
        compiler: Command of the C++ compiler.
        include: Where the Python to compile for says that its headers are.
        python: Its name, `python3.11` say.
    """
    if os.name == 'nt':
        return ['On Windows mmcv is not compiled here: use mmcv-lite.']
    found = [compiler_problem(compiler), headers_problem(include, python)]
    return [problem for problem in found if problem]


def compiler_problem(compiler: str) -> str | None:
    """Whether the compiler is there and finds the standard library."""
    if not shutil.which(compiler):
        return f'No C++ compiler ({compiler}) to build mmcv with.\n{_mend("g++")}'
    result = subprocess.run(
        [compiler, '-x', 'c++', '-fsyntax-only', '-'],
        input='#include <vector>\n',
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return None
    return f'{compiler} does not compile C++: {result.stderr.strip()}\n{_mend("g++")}'


def headers_problem(include: Path, python: str) -> str | None:
    """Whether Python's own C headers are there."""
    if (include / 'Python.h').is_file():
        return None
    return f'No Python.h in {include} to build mmcv with.\n{_mend(f"{python}-dev")}'


def _mend(package: str) -> str:
    """The command of Debian and Ubuntu that installs a package, for this user."""
    sudo = '' if os.geteuid() == 0 else 'sudo '
    return f'  mend: {sudo}apt-get install -y {package}'
