"""The cache of compiled wheels of mmcv.

A wheel fits one version of torch and of Python. The cache of pip does not distinguish
them, nor wheels that an isolated build made without operators. So this project has a
cache of its own, keyed by both versions.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path


def wheel_folder(torch: str, python: str) -> Path:
    """Returns the folder in the user's cache (XDG base directories).

    Args:
        torch: Its version.
        python: Tag of the interpreter, `sys.implementation.cache_tag`.
    """
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmdet_centernet' / 'wheels' / f'{torch}-{python}'


def cached_wheel(folder: Path, version: str) -> Path | None:
    """Returns a complete wheel with operators, None if the folder has none."""
    wheels = sorted(folder.glob(f'mmcv-{version}-*.whl'))
    return next(filter(has_ops, wheels), None)


def has_ops(wheel: Path) -> bool:
    """Whether a wheel is readable and contains the compiled operators."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return any(re.match(r'mmcv/_ext\..*so$', name) for name in names)
