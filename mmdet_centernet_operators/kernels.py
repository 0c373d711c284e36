"""torchvision's compiled kernels, where they can be loaded."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType


@functools.cache
def torchvision_ops() -> ModuleType | None:
    """``torchvision.ops``, or None.

    A torchvision that was built for another torch fails in many ways, most of them at
    import, so whatever it raises counts as not being there.
    """
    try:
        ops = importlib.import_module('torchvision.ops')
        importlib.import_module('torchvision.extension')._assert_has_ops()
    except Exception:
        return None
    return ops
