"""The outcomes of a case: a right result, or an error that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

Case = Callable[[Random], str]
"""Draws and runs a case and returns its outcome; raises if the case fails."""

RIGHT = 'right'
REFUSED = 'refused'


def refused(error: type[Exception], message: str, call: Callable[..., Any]) -> str:
    """Checks that a call raises an error.

    Args:
        error: The documented type.
        message: Regular expression that its message must contain.
        call: The call.
    """
    try:
        result = call()
    except error as refusal:
        assert re.search(message, str(refusal)), f'no {message!r} in: {refusal}'
        return REFUSED
    raise AssertionError(f'accepted, with {result}; expected {message!r}')
