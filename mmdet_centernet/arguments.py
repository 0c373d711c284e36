"""Checks of numeric settings; errors name the setting and its value."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def check_whole(**settings: Any) -> None:
    """Raises an error unless all settings are whole numbers above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(
                f'{name} is {value!r}; it has to be a whole number above 0'
            )


def check_positive(**settings: Any) -> None:
    """Raises an error unless all settings are finite numbers above 0.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not is_number(value) or value <= 0:
            raise ValueError(f'{name} is {value!r}; it has to be a number above 0')


def check_not_negative(**settings: Any) -> None:
    """Raises an error unless all settings are finite numbers of 0 or more.

    Raises:
        ValueError: If one is not.
    """
    for name, value in settings.items():
        if not is_number(value) or value < 0:
            raise ValueError(f'{name} is {value!r}; it may not be negative')


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite real number."""
    return isinstance(value, Real) and math.isfinite(value)
