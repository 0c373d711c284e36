"""Installs the operators in mmcv, for this process or for all programs.

In a process, the module must be registered before mmcv's operators are imported. For
programs that import mmdet first, a file in mmcv's folder imports the operators.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

EXTENSION = 'mmcv._ext'
MODULE = 'mmdet_centernet_operators'
TEXT = '''"""Replaces mmcv's compiled operators, which are not installed.

Written by `mmdet_centernet operators install`; `... remove` deletes it.
"""

from mmdet_centernet_operators.mmcv_ext import __getattr__  # noqa: F401
'''


def use_in_this_process() -> None:
    """Registers the operators as ``mmcv._ext``, unless mmcv has compiled ones.

    Raises:
        ModuleNotFoundError: If mmcv is not installed.
    """
    if EXTENSION not in sys.modules and importlib.util.find_spec(EXTENSION) is None:
        from mmdet_centernet_operators import mmcv_ext

        sys.modules[EXTENSION] = sys.modules['mmcv']._ext = mmcv_ext  # type: ignore


def mmcv_folder() -> Path | None:
    """Returns the folder of mmcv, even if only the folder is left; None without one."""
    spec = importlib.util.find_spec('mmcv')
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None


def is_ours(path: Path) -> bool:
    """Whether a file was written by `mmdet_centernet operators install`."""
    return path.is_file() and MODULE in path.read_text(encoding='utf-8')


def compiled_module(folder: Path) -> Path | None:
    """Returns mmcv's compiled module, which Python prefers to a source file."""
    found = [path for path in folder.glob('_ext.*') if path.suffix in ('.so', '.pyd')]
    return found[0] if found else None
