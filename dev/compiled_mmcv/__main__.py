"""Compile mmcv with its operators and install it into an environment.

Usage: python dev/compiled_mmcv --python ENV/bin/python

The environment has torch and pip. mmcv-lite and any other mmcv in it is replaced. The
wheel is kept in the user's cache and used again for the same torch and Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import toolchain
from building import BuildError, build_wheel, mmcv_version
from wheels import cached_wheel, wheel_folder

QUESTION = """
import json, sys, sysconfig
from importlib.metadata import version
name = 'python{}.{}'.format(*sys.version_info)
include = sysconfig.get_paths()['include']
print(json.dumps([version('torch'), name, sys.implementation.cache_tag, include]))
"""


class Target(NamedTuple):
    """What mmcv is compiled for: a torch, and a Python with its headers."""

    torch: str
    python: str
    tag: str
    include: str


def main() -> None:
    """Compile if need be, then install."""
    # In a file or a pipe, too, lines shall stand in the order in which they are said.
    sys.stdout.reconfigure(line_buffering=True)
    python = _parse_args().python.absolute()
    try:
        target = look_at(python)
        wheel = find_or_build(python, target)
        install(python, wheel)
    except BuildError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f'`{" ".join(map(str, error.cmd[:5]))} ...` failed, see above.')
    except KeyboardInterrupt:
        sys.exit('\nInterrupted; nothing was installed.')


def look_at(python: Path) -> Target:
    """Ask an environment what it holds.

    Raises:
        BuildError: If it has no torch.
    """
    command = [python, '-c', QUESTION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f'{done.stderr}\nmmcv is compiled against torch: install it.')
    return Target(*json.loads(done.stdout))


def find_or_build(python: Path, target: Target) -> Path:
    """The wheel from the cache, or a new one.

    Raises:
        BuildError: If the machine cannot compile or the compilation fails.
    """
    folder = wheel_folder(target.torch, target.tag)
    wheel = cached_wheel(folder, mmcv_version())
    if wheel:
        print(f'mmcv comes from {wheel}')
        return wheel
    compiler = os.environ.get('CXX', 'c++')
    problems = toolchain.problems(compiler, Path(target.include), target.python)
    if problems:
        raise BuildError('\n'.join(problems))
    if not shutil.which('nvcc'):
        print('No nvcc here: mmcv gets its operators for the CPU only.')
    return build_wheel(python, folder)


def install(python: Path, wheel: Path) -> None:
    """Put the wheel in the place of any mmcv, and import the operators.

    Raises:
        BuildError: If they cannot be imported.
    """
    pip = [python, '-m', 'pip', '--disable-pip-version-check']
    subprocess.run([*pip, 'uninstall', '--yes', 'mmcv', 'mmcv-lite'], check=True)
    subprocess.run([*pip, 'install', '--no-deps', wheel], check=True)
    done = subprocess.run([python, '-c', 'import mmcv.ops'], check=False)
    if done.returncode:
        raise BuildError(
            'mmcv cannot be imported, see above. If its operators do not fit torch, '
            f'remove {wheel} and call this again: they will be compiled anew.'
        )


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='compiled_mmcv',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--python', type=Path, required=True)
    return parser.parse_args()


if __name__ == '__main__':
    main()
