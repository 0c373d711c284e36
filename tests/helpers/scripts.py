"""Runs commands in processes that can import this checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mmdet

from helpers.tiny import REPO
from mmdet_centernet_operators.stand_in import mmcv_folder

MMDET_TOOLS = Path(mmdet.__file__).parent / '.mim/tools'
SECONDS = 300


def run(*command, cwd, check=True, **env):
    """Runs a command and returns its output from both streams."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    if check and done.returncode:
        raise AssertionError(f'{command} ended with {done.returncode}:\n{done.stdout}')
    return done.stdout


def run_python(*command, cwd, **kwargs):
    """Runs a script with this interpreter."""
    return run(sys.executable, *command, cwd=cwd, **kwargs)


def path_for_mmdets_own(folder):
    """Returns a PYTHONPATH where mmcv has operators for mmdet's own scripts.

    Args:
        folder: Gets a copy of mmcv in which the operators are installed; this does
            nothing if mmcv has compiled operators.
    """
    ignored = shutil.ignore_patterns('__pycache__', 'csrc')
    shutil.copytree(mmcv_folder(), folder / 'mmcv', ignore=ignored)
    path = f'{folder}:{REPO}'
    command = ('-m', 'mmdet_centernet_operators', 'install')
    run_python(*command, cwd=folder, PYTHONPATH=path)
    return path


def environment(**extra):
    """Returns the environment variables, with one thread per process."""
    return {
        **os.environ,
        'PYTHONPATH': str(REPO),
        'PYTHONWARNINGS': 'ignore',
        'OMP_NUM_THREADS': '1',
        'MPLBACKEND': 'Agg',
        **extra,
    }
