"""Allows ``torch.load`` to read checkpoints of mmengine without running their code.

Since torch 2.6 ``torch.load`` reads only tensors, containers and types that were
registered as safe (``weights_only=True``); older versions run any code in a file.
Checkpoints of mmengine's runner also contain ``HistoryBuffer``, numpy arrays and numpy
scalars. This module registers exactly these types, so that testing, resuming and
inference keep ``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

HAS_SAFE_GLOBALS = digit_version(torch.__version__) >= digit_version('2.6')
"""Whether torch accepts safe types by name. Older versions refuse all checkpoints of
mmengine's runner with ``weights_only=True``, and default to False."""
_STATISTICS = frozenset({'min', 'max', 'current', 'mean'})
# A log has arrays of numbers only, none of objects, records or strings.
_NUMBERS = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'


def allow_mmengine_checkpoints() -> None:
    """Registers the types in checkpoints of mmengine's runner as safe for torch.

    Does nothing before torch 2.6, where mmengine loads without ``weights_only``.
    """
    if HAS_SAFE_GLOBALS:
        torch.serialization.add_safe_globals(_safe_globals())


def _safe_globals() -> list[Callable | tuple[Callable, str]]:
    # Taken from numpy's objects: the module of the two functions is private.
    reconstruct: Any = np.ndarray(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    dtype_classes = {type(np.dtype(code)) for code in _NUMBERS}
    plain: list[type] = [HistoryBuffer, np.ndarray, np.dtype, *dtype_classes]
    return [
        # With names: onedl-mmengine unregisters bare types after each file it reads.
        *((one, f'{one.__module__}.{one.__qualname__}') for one in plain),
        # numpy 1 and numpy 2 write different module names.
        (reconstruct, 'numpy.core.multiarray._reconstruct'),
        (reconstruct, 'numpy._core.multiarray._reconstruct'),
        (scalar, 'numpy.core.multiarray.scalar'),
        (scalar, 'numpy._core.multiarray.scalar'),
        (_statistics_method, 'builtins.getattr'),
    ]


def _statistics_method(owner: object, name: str) -> Callable:
    """Replaces ``getattr`` in a pickled ``HistoryBuffer``; allows its statistics only.

    With the real ``getattr`` a file could reach any attribute, and so run any code.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise UnpicklingError(
            f'The checkpoint loads {name!r} of {owner!r}, which may run code. '
            f"Only statistics of mmengine's HistoryBuffer are allowed."
        )
    return getattr(HistoryBuffer, name)
