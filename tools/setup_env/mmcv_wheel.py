"""Where does mmcv with compiled operators come from.

The package index has mmcv as source only. A wheel made from it fits one torch and one
Python; pip's own cache does not know that and would hand it to any other torch, or
serve one that an isolated build made without operators. So the wheels live in a cache
of this project, keyed by both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from preflight import SetupError, build_problems, require

COMPILED_OBJECT = re.compile(r'\[(\d+)/(\d+)\] ')
"""How ninja begins the line of each object."""
GIB_PER_JOB = 2
"""What one compiler process needs with torch's headers."""
TAIL_LINES = 20
LINES_WITHOUT_TERMINAL = 20
"""Into how many lines progress is cut where a line cannot be rewritten."""


def cache_root() -> Path:
    """The folder of this project in the user's cache (XDG base directories)."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet_centernet' / 'wheels'


def wheel_folder(torch_version: str) -> Path:
    """Where wheels for this torch and the running Python are kept."""
    return cache_root() / f'{torch_version}-{sys.implementation.cache_tag}'


def cached_wheel(folder: Path, version: str) -> Path | None:
    """A whole wheel of this mmcv with operators, if the folder has one."""
    wheels = sorted(folder.glob(f'mmcv-{version}-*.whl'))
    return next(filter(has_ops, wheels), None)


def has_ops(wheel: Path) -> bool:
    """Whether a wheel can be read and holds the compiled operators."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return any(re.match(r'mmcv/_ext\..*so$', name) for name in names)


def build_wheel(python: Path, requirement: str, folder: Path) -> Path:
    """Compile mmcv against the torch of an environment.

    The wheel appears in the folder when it is complete, or not at all.

    Args:
        python: Interpreter of an environment with torch, setuptools, wheel and ninja.
        requirement: mmcv, its version and the hash of its source, as pip reads them.
        folder: Where the wheel and the log of its making will lie.

    Returns:
        The wheel.

    Raises:
        SetupError: If the machine cannot compile or the compilation fails.
    """
    require(*build_problems())
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / 'build.log'
    version = requirement.split()[0].removeprefix('mmcv==')
    print(f'Compiling mmcv {version}: about 10 minutes on two cores, once. Log: {log}')
    with tempfile.TemporaryDirectory(prefix='.build-', dir=folder) as scratch:
        source = Path(scratch) / 'mmcv.txt'
        source.write_text(requirement)
        command = [python, '-m', 'pip', 'wheel', '--verbose', '-r', source]
        command += [
            '--require-hashes',
            '--no-deps',
            '--no-build-isolation',
            '--no-cache-dir',
        ]
        command += ['--no-binary', 'mmcv', '--wheel-dir', scratch]
        _run_logged(command, _build_variables(python), log)
        built = cached_wheel(Path(scratch), version)
        if built is None:
            raise SetupError(f'mmcv was built without operators; see {log}')
        return Path(shutil.move(os.fspath(built), folder / built.name))


def progress(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Read how many objects are compiled out of a build's output.

    Yields:
        Objects begun and objects in all, each time that changes.
    """
    for line in lines:
        match = COMPILED_OBJECT.search(line)
        if match:
            yield int(match[1]), int(match[2])


def _run_logged(command: list, variables: dict[str, str], log: Path) -> None:
    """Run a build, show its progress and keep its output."""
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
        raise SetupError(
            '\n'.join([*tail, f'mmcv did not compile; the whole output: {log}'])
        )


def _copied(lines: Iterable[str], file) -> Iterator[str]:
    """Pass lines on and write them to a file on their way."""
    for line in lines:
        file.write(line)
        yield line


def _show(steps: Iterable[tuple[int, int]]) -> None:
    """Print a count that rewrites itself on a terminal and is sparse elsewhere."""
    terminal = sys.stdout.isatty()
    start = time.monotonic()
    for done, total in steps:
        if terminal or done % max(1, total // LINES_WITHOUT_TERMINAL) == 0:
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            text = f'  mmcv: {done} of {total} files, {minutes}:{seconds:02d} min'
            print(text, end='\r' if terminal else '\n', flush=True)
    if terminal:
        print()


def _build_variables(python: Path) -> dict[str, str]:
    """The environment variables under which mmcv compiles its operators."""
    variables = dict(os.environ, MMCV_WITH_OPS='1')
    variables['PATH'] = os.pathsep.join([str(python.parent), variables['PATH']])
    variables.setdefault('MAX_JOBS', str(_parallel_jobs()))
    if not shutil.which('nvcc'):
        # With a GPU in sight mmcv would insist on nvcc.
        variables['CUDA_VISIBLE_DEVICES'] = ''
        print('No nvcc here: mmcv gets its operators for the CPU only.')
    return variables


def _parallel_jobs() -> int:
    """As many compilers as there are cores, or fewer where memory is short."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return max(1, min(len(os.sched_getaffinity(0)), memory // (GIB_PER_JOB << 30)))
