"""Checks that this machine can compile an extension of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def problems(compiler: str, include: Path, python: str) -> list[str]:
    """Returns what is missing and the commands that install it.

    Args:
        compiler: Command of the C++ compiler.
        include: Folder of the headers of the Python to compile for.
        python: Its name, such as `python3.11`.
    """
    if os.name == 'nt':
        return ['This script does not support Windows: use mmcv-lite.']
    found = [compiler_problem(compiler), headers_problem(include, python)]
    return [problem for problem in found if problem]


def compiler_problem(compiler: str) -> str | None:
    """Checks that the compiler exists and finds the standard library."""
    if not shutil.which(compiler):
        return f'No C++ compiler ({compiler}) to build mmcv with.\n{_fix("g++")}'
    result = subprocess.run(
        [compiler, '-x', 'c++', '-fsyntax-only', '-'],
        input='#include <vector>\n',
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return None
    return f'{compiler} does not compile C++: {result.stderr.strip()}\n{_fix("g++")}'


def headers_problem(include: Path, python: str) -> str | None:
    """Checks that the C headers of Python exist."""
    if (include / 'Python.h').is_file():
        return None
    return f'No Python.h in {include} to build mmcv with.\n{_fix(f"{python}-dev")}'


def _fix(package: str) -> str:
    """Returns the command that installs a package of Debian or Ubuntu."""
    sudo = '' if os.geteuid() == 0 else 'sudo '
    return f'  fix: {sudo}apt-get install -y {package}'
