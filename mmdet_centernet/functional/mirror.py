"""Former name of :mod:`mmdet_centernet.functional.flip`, kept for one release."""

from __future__ import annotations

import warnings
from typing import Any

from mmdet_centernet.functional import flip


def __getattr__(name: str) -> Any:
    warnings.warn(
        f'mmdet_centernet.functional.mirror is now {flip.__name__}',
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(flip, name)
