"""Findings: sentences about errors and suspicious entries, with advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_EXAMPLES = 3


class Fault(str):
    """A finding that stops training or evaluation; a plain string is a warning."""

    __slots__ = ()


class Problem(NamedTuple):
    """A faulty entry of a file.

    Attributes:
        kind: Equal for entries with the same fault.
        where: The entry.
        text: The fault, to follow ``where`` in a sentence.
    """

    kind: str
    where: str
    text: str


def sum_up(problems: Iterable[Problem]) -> list[str]:
    """Returns one sentence per kind: its first entry, and the others by name."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return [_sum_up(alike) for alike in kinds.values()]


def _sum_up(alike: Sequence[Problem]) -> str:
    text = f'{alike[0].where} {alike[0].text}'
    others = [problem.where for problem in alike[1:]]
    return f'{text}; likewise {some(others)}' if others else text


def some(names: Sequence[str], most: int = MAX_EXAMPLES) -> str:
    """Joins the first few names and counts the rest."""
    text = ', '.join(names[:most])
    rest = len(names) - most
    return f'{text} and {rest} more' if rest > 0 else text
