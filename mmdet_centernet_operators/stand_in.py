"""Where mmcv finds these operators: in this process, or for every Python here.

In a process it is enough to be there before mmcv's operators are imported. For command
lines that import mmdet before anything else, a file beside mmcv's own points here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

EXTENSION = 'mmcv._ext'
MODULE = 'mmdet_centernet_operators'
TEXT = '''"""Stands in for the compiled operators of mmcv, which were not installed.

Written by `mmdet_centernet operators install`; `... remove` deletes it.
"""

from mmdet_centernet_operators.mmcv_ext import __getattr__  # noqa: F401
'''


def use_in_this_process() -> None:
    """Lets mmcv find the stand-in, if it has no operators of its own.

    Raises:
        ModuleNotFoundError: If there is no mmcv.
    """
    if EXTENSION not in sys.modules and importlib.util.find_spec(EXTENSION) is None:
        from mmdet_centernet_operators import mmcv_ext

        sys.modules[EXTENSION] = sys.modules['mmcv']._ext = mmcv_ext  # type: ignore


def mmcv_folder() -> Path | None:
    """Where mmcv is installed, or where its folder was left behind; None if nowhere."""
    spec = importlib.util.find_spec('mmcv')
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None


def is_ours(path: Path) -> bool:
    """Whether a file was written by `write_file`."""
    return path.is_file() and MODULE in path.read_text(encoding='utf-8')


def compiled_module(folder: Path) -> Path | None:
    """The compiled module of mmcv, which Python prefers to a source file."""
    found = [path for path in folder.glob('_ext.*') if path.suffix in ('.so', '.pyd')]
    return found[0] if found else None
