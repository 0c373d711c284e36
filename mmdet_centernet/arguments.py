"""Is a setting of a config what it has to be? If not, it is named at once."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def check_whole(**settings: Any) -> None:
    """Refuse what is no whole number above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(
                f'{name} is {value!r}; it has to be a whole number above 0'
            )


def check_positive(**settings: Any) -> None:
    """Refuse what is no finite number above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not is_number(value) or value <= 0:
            raise ValueError(f'{name} is {value!r}; it has to be a number above 0')


def check_not_negative(**settings: Any) -> None:
    """Refuse what is no finite number of 0 or more.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not is_number(value) or value < 0:
            raise ValueError(f'{name} is {value!r}; it may not be negative')


def is_number(value: Any) -> bool:
    """Whether it is a number, and a finite one."""
    return isinstance(value, Real) and math.isfinite(value)
