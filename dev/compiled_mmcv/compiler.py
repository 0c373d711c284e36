"""Compiles C++ files with a given compiler and precompiled headers of torch.

Usage: python compiler.py COMPILER FOLDER ARGUMENTS...

Runs `COMPILER ARGUMENTS...`. The headers of torch take most of the time for each file
of mmcv, so the first call precompiles them in FOLDER, and all calls include them from
there. GCC and Clang use a precompiled header only with the flags with which it was
compiled. Otherwise, and until it is ready, they read the header itself, which takes
longer and has the same result.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

TEXT = '#include <torch/types.h>\n'
FILE_FLAGS = {'-c', '-MD', '-MMD', '-MP'}
"""Flags of a single file, which do not affect how it is compiled."""
FILE_OPTIONS = {'-o', '-MF', '-MT', '-MQ'}
NO_DEBUGGING = '-g0'
"""Symbols for a debugger take half of the time."""


def main() -> int:
    """Runs the compiler and returns its exit status."""
    compiler, folder, *arguments = sys.argv[1:]
    source = cpp_source(arguments)
    if source:
        flags = [*shared_flags(arguments, source), NO_DEBUGGING]
        header = precompiled_header(compiler, Path(folder), flags)
        arguments += [NO_DEBUGGING, '-include', str(header), '-Winvalid-pch']
    return subprocess.call([compiler, *arguments])


def cpp_source(arguments: list[str]) -> str | None:
    """Returns the C++ file that a command compiles, None for other commands."""
    sources = [word for word in arguments if word.endswith(('.cpp', '.cc'))]
    return sources[0] if '-c' in arguments and len(sources) == 1 else None


def shared_flags(arguments: list[str], source: str) -> list[str]:
    """Returns the flags that are the same for all files."""
    dropped = FILE_FLAGS | FILE_OPTIONS | {source}
    return [
        word
        for previous, word in pairwise(['', *arguments])
        if word not in dropped and previous not in FILE_OPTIONS
    ]


def precompiled_header(compiler: str, folder: Path, flags: list[str]) -> Path:
    """Returns the header to include; the first call precompiles it.

    Calls that run in parallel do not wait for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = folder / 'torch.h'
    if not header.exists():
        _write(header)
    try:
        (folder / 'begun').mkdir()
    except FileExistsError:
        return header
    unfinished, finished = folder / 'unfinished', folder / 'torch.h.gch'
    command = [compiler, *flags, '-x', 'c++-header', str(header), '-o', str(unfinished)]
    if subprocess.call(command) == 0:
        os.replace(unfinished, finished)
    return header


def _write(header: Path) -> None:
    """Writes the header atomically."""
    part = header.with_name(f'{os.getpid()}.part')
    part.write_text(TEXT)
    os.replace(part, header)


if __name__ == '__main__':
    sys.exit(main())
