"""Builds a wheel of mmcv with its operators from source."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from wheels import cached_wheel

REQUIREMENTS = Path(__file__).resolve().parents[2] / 'requirements'
SOURCE = REQUIREMENTS / 'mmcv-source.txt'
TOOLS = REQUIREMENTS / 'mmcv-build.txt'
COMPILER = Path(__file__).with_name('compiler.py')
COMPILED_OBJECT = re.compile(r'\[(\d+)/(\d+)\] ')
"""Begin of the line that ninja prints for each object."""
TAIL_LINES = 20
LINES_WITHOUT_TERMINAL = 20
"""Number of progress lines where the output is no terminal."""


class BuildError(RuntimeError):
    """mmcv cannot be compiled; the message gives the reason."""


def mmcv_version() -> str:
    """Returns the version to compile."""
    return re.search(r'^mmcv==(\S+)', SOURCE.read_text(), re.MULTILINE)[1]


def build_wheel(python: Path, folder: Path) -> Path:
    """Compiles mmcv against the torch of an environment, which stays unchanged.

    The wheel is moved to the folder when it is complete.

    Args:
        python: Interpreter of an environment with torch and pip.
        folder: Gets the wheel and the log of the build.

    Returns:
        The wheel.

    Raises:
        BuildError: If the compilation fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / 'build.log'
    print(f'Compiling mmcv {mmcv_version()}, which takes some minutes. Log: {log}')
    print('  The headers of torch come first and take most of a minute.')
    with tempfile.TemporaryDirectory(prefix='.build-', dir=folder) as scratch:
        for command in _commands(python, Path(scratch)):
            _run_logged(command, _variables(python, Path(scratch)), log)
        built = cached_wheel(Path(scratch), mmcv_version())
        if built is None:
            raise BuildError(f'mmcv was built without operators; see {log}')
        return Path(shutil.move(os.fspath(built), folder / built.name))


def _commands(python: Path, scratch: Path) -> list[list[str | Path]]:
    """Returns the commands that fetch the build tools and build the wheel."""
    pip = [python, '-m', 'pip', '--disable-pip-version-check']
    wheel = [*pip, 'wheel', '--verbose', '--no-deps', '--require-hashes', '-r', SOURCE]
    wheel += ['--no-build-isolation', '--use-pep517', '--no-cache-dir']
    wheel += ['--no-binary', 'mmcv', '--wheel-dir', scratch]
    tools = [*pip, 'install', '--no-deps', '-r', TOOLS, '--target', scratch / 'tools']
    return [tools, wheel]


def _variables(python: Path, scratch: Path) -> dict[str, str]:
    """Returns the environment variables of the build."""
    variables = dict(os.environ, MMCV_WITH_OPS='1', PYTHONPATH=str(scratch / 'tools'))
    programs = [scratch / 'tools' / 'bin', python.parent, variables['PATH']]
    variables['PATH'] = os.pathsep.join(map(str, programs))
    variables['CXX'] = str(_compiler(variables.get('CXX', 'c++'), scratch))
    variables.setdefault('MAX_JOBS', str(os.cpu_count()))
    if not shutil.which('nvcc'):
        # If torch sees a GPU, the build of mmcv requires nvcc.
        variables['CUDA_VISIBLE_DEVICES'] = ''
    return variables


def _compiler(compiler: str, scratch: Path) -> Path:
    """Writes a script that calls `compiler.py`; torch takes a single word as CXX."""
    words = [sys.executable, COMPILER, shutil.which(compiler), scratch / 'header']
    command = ' '.join(shlex.quote(str(word)) for word in words)
    path = scratch / 'c++'
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


def progress(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Reads the number of compiled objects from the output of a build.

    Yields:
        Number of compiled objects and total number.
    """
    for line in lines:
        match = COMPILED_OBJECT.search(line)
        if match:
            yield int(match[1]), int(match[2])


def _run_logged(command: list, variables: dict[str, str], log: Path) -> None:
    """Runs a command, shows its progress and logs its output."""
    with log.open('w', encoding='utf-8') as file:
        process = subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        _show(progress(_copied(process.stdout, file)))
        status = process.wait()
    if status:
        tail = log.read_text(encoding='utf-8').splitlines()[-TAIL_LINES:]
        advice = 'MAX_JOBS=1 needs less memory.'
        raise BuildError(
            '\n'.join([*tail, f'mmcv did not compile; output: {log}. {advice}'])
        )


def _copied(lines: Iterable[str], file) -> Iterator[str]:
    """Yields lines and writes them to a file."""
    for line in lines:
        file.write(line)
        file.flush()
        yield line


def _show(steps: Iterable[tuple[int, int]]) -> None:
    """Prints progress, rewriting the line if the output is a terminal."""
    terminal = sys.stdout.isatty()
    start, text = time.monotonic(), ''
    for done, total in steps:
        if terminal or done % max(1, total // LINES_WITHOUT_TERMINAL) == 0:
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            text = f'  mmcv: {done} of {total} files, {minutes}:{seconds:02d} min'
            print(text, end='\r' if terminal else '\n', flush=True)
    if terminal and text:
        print()
