"""Runs command lines as users do: another process, this checkout importable in it."""

import os
import subprocess
import sys
from pathlib import Path

import mmdet
from tiny import REPO

MMDET_TOOLS = Path(mmdet.__file__).parent / '.mim/tools'
SECONDS = 300


def run(*command, cwd, check=True, **env):
    """Runs a command; returns what it printed on both streams."""
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


def environment(**extra):
    """This process's, with one thread a process: tests share few cores."""
    return {
        **os.environ,
        'PYTHONPATH': str(REPO),
        'PYTHONWARNINGS': 'ignore',
        'OMP_NUM_THREADS': '1',
        'MPLBACKEND': 'Agg',
        **extra,
    }
