"""What may a checkpoint hold that `torch.load` reads without running its code?

Since torch 2.6 `torch.load` reads plain tensors and containers only, unless told of
more; before, it reads everything and runs what code a file holds. A checkpoint that
mmengine's runner saved holds more: the log's `HistoryBuffer`s, their numpy arrays and
numpy scalars. Those exact types are named here, so that testing, resuming and inference
work with `weights_only=True` left on.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

NAMES_TYPES = digit_version(torch.__version__) >= digit_version('2.6')
"""Whether torch can be told what else a file may hold. If not, `weights_only=True`
refuses all checkpoints of mmengine's runner, and the default is to read everything."""
_STATISTICS = frozenset({'min', 'max', 'current', 'mean'})
# Arrays of numbers. Those of objects, records or strings have no place in a log.
_NUMBERS = np.typecodes['AllInteger'] + np.typecodes['AllFloat'] + '?'


def allow_mmengine_checkpoints() -> None:
    """Lets `torch.load(weights_only=True)` read what mmengine's runner saves.

    Does nothing before torch 2.6, where mmengine reads them without any help.
    """
    if NAMES_TYPES:
        torch.serialization.add_safe_globals(_safe_globals())


def _safe_globals() -> list[Callable | tuple[Callable, str]]:
    # Asked of numpy's objects, because the module of the two functions is private.
    reconstruct: Any = np.ndarray(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    dtype_classes = {type(np.dtype(code)) for code in _NUMBERS}
    plain: list[type] = [HistoryBuffer, np.ndarray, np.dtype, *dtype_classes]
    return [
        # With names, since onedl-mmengine takes bare types off torch's list again after
        # each file that it reads.
        *((one, f'{one.__module__}.{one.__qualname__}') for one in plain),
        # Files written under numpy 1 and under numpy 2 name that module differently.
        (reconstruct, 'numpy.core.multiarray._reconstruct'),
        (reconstruct, 'numpy._core.multiarray._reconstruct'),
        (scalar, 'numpy.core.multiarray.scalar'),
        (scalar, 'numpy._core.multiarray.scalar'),
        (_statistics_method, 'builtins.getattr'),
    ]


def _statistics_method(owner: object, name: str) -> Callable:
    """Stands in for `getattr`, by which a `HistoryBuffer` pickles its statistics.

    The real one would hand a file any attribute of any object, and so any code.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise UnpicklingError(
            f'The checkpoint asks for attribute {name!r} of {owner!r}. Only the '
            f"statistics of mmengine's HistoryBuffer are read: it may try to run code."
        )
    return getattr(HistoryBuffer, name)
