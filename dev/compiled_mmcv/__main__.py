"""Compiles mmcv with its operators and installs it into an environment.

Usage: python dev/compiled_mmcv --python ENV/bin/python

The environment must have torch and pip. Any other mmcv in it, mmcv-lite included, is
replaced. The wheel stays in the user's cache, for the same torch and Python.
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

INSPECTION = """
import json, sys, sysconfig
from importlib.metadata import version
name = 'python{}.{}'.format(*sys.version_info)
include = sysconfig.get_paths()['include']
print(json.dumps([version('torch'), name, sys.implementation.cache_tag, include]))
"""


class Target(NamedTuple):
    """The torch and the Python for which mmcv is compiled."""

    torch: str
    python: str
    tag: str
    include: str


def main() -> None:
    """Compiles mmcv unless its wheel is cached, then installs it."""
    # Keeps the order of lines when the output goes to a file or a pipe.
    sys.stdout.reconfigure(line_buffering=True)
    python = _parse_args().python.absolute()
    try:
        target = inspect(python)
        wheel = find_or_build(python, target)
        install(python, wheel)
    except BuildError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f'`{" ".join(map(str, error.cmd[:5]))} ...` failed, see above.')
    except KeyboardInterrupt:
        sys.exit('\nInterrupted; nothing was installed.')


def inspect(python: Path) -> Target:
    """Reads the versions of torch and Python in an environment.

    Raises:
        BuildError: If it has no torch.
    """
    command = [python, '-c', INSPECTION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f'{done.stderr}\nmmcv is compiled against torch: install it.')
    return Target(*json.loads(done.stdout))


def find_or_build(python: Path, target: Target) -> Path:
    """Returns the wheel from the cache, or builds one.

    Raises:
        BuildError: If the machine cannot compile or the compilation fails.
    """
    folder = wheel_folder(target.torch, target.tag)
    wheel = cached_wheel(folder, mmcv_version())
    if wheel:
        print(f'Using {wheel}')
        return wheel
    compiler = os.environ.get('CXX', 'c++')
    problems = toolchain.problems(compiler, Path(target.include), target.python)
    if problems:
        raise BuildError('\n'.join(problems))
    if not shutil.which('nvcc'):
        print('No nvcc found: mmcv is compiled for the CPU only.')
    return build_wheel(python, folder)


def install(python: Path, wheel: Path) -> None:
    """Replaces any mmcv by the wheel and imports the operators.

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
            f'remove {wheel} and run this again to recompile them.'
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
