"""Compile C++ files with a given compiler, the headers of torch but once for all.

Usage: python compiler.py COMPILER FOLDER ARGUMENTS...

`COMPILER ARGUMENTS...` is what would be called without this script. Torch's headers are
most of what there is to compile in each file of mmcv, so the first call precompiles
them, in FOLDER, and every call includes them from there. GCC and Clang read a
precompiled header only where all flags are those it was made with; else, and as long as
it is not ready, they read the header itself, which takes longer and gives the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

TEXT = '#include <torch/types.h>\n'
OF_ONE_FILE = {'-c', '-MD', '-MMD', '-MP'}
"""Flags that say what to do with a file, not how to compile it."""
OF_ONE_FILE_WITH_VALUE = {'-o', '-MF', '-MT', '-MQ'}
NO_DEBUGGING = '-g0'
"""Half of the time goes into symbols that a debugger would need."""


def main() -> int:
    """Compile as the command line says; returns the status of the compiler."""
    compiler, folder, *arguments = sys.argv[1:]
    source = cpp_source(arguments)
    if source:
        flags = [*shared_flags(arguments, source), NO_DEBUGGING]
        header = precompiled_header(compiler, Path(folder), flags)
        arguments += [NO_DEBUGGING, '-include', str(header), '-Winvalid-pch']
    return subprocess.call([compiler, *arguments])


def cpp_source(arguments: list[str]) -> str | None:
    """The C++ file that a command compiles, if that is what it does."""
    sources = [word for word in arguments if word.endswith(('.cpp', '.cc'))]
    return sources[0] if '-c' in arguments and len(sources) == 1 else None


def shared_flags(arguments: list[str], source: str) -> list[str]:
    """What is said of every file in the same way."""
    dropped = OF_ONE_FILE | OF_ONE_FILE_WITH_VALUE | {source}
    return [
        word
        for previous, word in pairwise(['', *arguments])
        if word not in dropped and previous not in OF_ONE_FILE_WITH_VALUE
    ]


def precompiled_header(compiler: str, folder: Path, flags: list[str]) -> Path:
    """The header to include; the first of all calls precompiles it.

    Calls that run beside that one do not wait.
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
    """Write the header so that no other call sees a part of it."""
    part = header.with_name(f'{os.getpid()}.part')
    part.write_text(TEXT)
    os.replace(part, header)


if __name__ == '__main__':
    sys.exit(main())
