"""What may come of a case: a right result, or an error that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

Case = Callable[[Random], str]
"""Draws a case, runs it and names its outcome. Raises where it is a fault."""

RIGHT = 'right'
REFUSED = 'refused'


def refused(error: type[Exception], says: str, call: Callable[..., Any]) -> str:
    """What is wrong has to be refused in words.

    Args:
        error: Type that is documented.
        says: Pattern that the message has to contain.
        call: What must not work.
    """
    try:
        result = call()
    except error as refusal:
        assert re.search(says, str(refusal)), f'no {says!r} in: {refusal}'
        return REFUSED
    raise AssertionError(f'was taken, with {result}; expected {says!r}')
