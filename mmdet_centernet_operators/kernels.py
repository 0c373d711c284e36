"""torchvision's compiled kernels, if they can be loaded."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType


@functools.cache
def torchvision_ops() -> ModuleType | None:
    """Imports ``torchvision.ops``; returns None if that fails.

    A torchvision that was built for another torch raises many exception types.
    """
    try:
        ops = importlib.import_module('torchvision.ops')
        importlib.import_module('torchvision.extension')._assert_has_ops()
    except Exception:
        return None
    return ops
