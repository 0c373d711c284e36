"""Copies of the checkout, for builds that write files beside setup.py."""

import shutil
import sys

from helpers.scripts import run
from helpers.tiny import REPO

BUILD_INPUTS = (
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'Makefile',
    'README.md',
    'README_zh-CN.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'model-index.yml',
    'configs',
    'dev',
    'docs',
    'mmdet_centernet',
    'mmdet_centernet_cli.py',
    'mmdet_centernet_doctor',
    'mmdet_centernet_operators',
    'requirements',
    'tests',
    'tools',
)
NOT_SOURCES = shutil.ignore_patterns('__pycache__', '.mim', '.*_cache')


def copy_checkout(folder):
    """Copies the sources, without builds and results, into `folder`."""
    for name in BUILD_INPUTS:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=NOT_SOURCES)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    return folder


def install(sources, target):
    """Runs `pip install . --target TARGET` without dependencies."""
    options = ('--no-deps', '--no-build-isolation', '--quiet', '--target', target)
    run(sys.executable, '-m', 'pip', 'install', *options, sources, cwd=sources)
    return target
