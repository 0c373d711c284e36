"""What is found in a dataset, as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

FEW = 3
"""How many examples are named."""


class Fault(str):
    """A finding about what stops training or evaluation; others are warnings."""

    __slots__ = ()


class Problem(NamedTuple):
    """One entry of a file that has something wrong.

    Attributes:
        kind: The same for entries with the same fault.
        where: The entry.
        text: What is wrong with it.
    """

    kind: str
    where: str
    text: str


def sum_up(problems: Iterable[Problem]) -> list[str]:
    """One sentence a kind of problem: the first entry, and how many are like it."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    return [_sum_up(alike) for alike in kinds.values()]


def _sum_up(alike: Sequence[Problem]) -> str:
    text = f'{alike[0].where} {alike[0].text}'
    others = [problem.where for problem in alike[1:]]
    return f'{text}; likewise {some(others)}' if others else text


def some(names: Sequence[str], most: int = FEW) -> str:
    """The first few names, and how many more there are."""
    text = ', '.join(names[:most])
    rest = len(names) - most
    return f'{text} and {rest} more' if rest > 0 else text
