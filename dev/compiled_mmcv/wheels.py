"""Where are the wheels of mmcv that were compiled before.

A wheel made from mmcv's source fits one torch and one Python; pip's own cache does not
know that and would hand it to any other torch, or serve one that an isolated build made
without operators. So the wheels live in a cache of this project, keyed by both.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path


def wheel_folder(torch: str, python: str) -> Path:
    """The folder in the user's cache (XDG base directories) for such wheels.

    Args:
        torch: Its version.
        python: Tag of the interpreter, as `sys.implementation.cache_tag` has it.
    """
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet_centernet' / 'wheels' / f'{torch}-{python}'


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
