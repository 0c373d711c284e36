"""Tables from the tensor names of one network to those of another.

The rows are ``(official name, our name, tensors inside)``. Braces list alternatives,
which correspond in order: ``('a{0,1}', 'b{x,y}', CONV)`` maps a0 to bx and a1 to by.
Several braces in a name combine as in a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

Names = dict[str, str]


@dataclass(frozen=True)
class Layout:
    """The tensors of a network.

    Attributes:
        names: Our name for each official name.
        dead: Official names without a counterpart, with the reason.
    """

    names: Names
    dead: Names = field(default_factory=dict)


def table(*rows: tuple[str, str, Names]) -> Names:
    """Expands rows to a table from official name to our name."""
    return {
        join(official, leaf): join(ours, our_leaf)
        for official_names, our_names, leaves in rows
        for official, ours in zip(
            expand(official_names), expand(our_names), strict=True
        )
        for leaf, our_leaf in leaves.items()
    }


def kept(name: str, leaves: Names) -> tuple[str, str, Names]:
    """Makes a row for tensors with the same name in both."""
    return name, name, leaves


def expand(name: str) -> list[str]:
    """Expands the braces of a name."""
    parts = re.split(r'\{(.*?)\}', name)
    options = [part.split(',') if i % 2 else [part] for i, part in enumerate(parts)]
    return [''.join(chosen) for chosen in product(*options)]


def numbers(start: int, stop: int) -> str:
    """Formats range(start, stop) in braces."""
    return '{' + ','.join(map(str, range(start, stop))) + '}'


def join(prefix: str, name: str) -> str:
    """Joins a prefix, which may be empty, and a name with a dot."""
    return f'{prefix}.{name}' if prefix else name


CONV = {'weight': 'weight'}
BIASED = CONV | {'bias': 'bias'}
NORM = BIASED | {
    name: name for name in ('running_mean', 'running_var', 'num_batches_tracked')
}
DEFORMED = BIASED | table(('conv_offset_mask', 'conv_offset', BIASED))

CONV_NORM = table(kept('conv', CONV), kept('bn', NORM))
UNNAMED = table(('0', 'conv', CONV), ('1', 'bn', NORM))
PROJECTION = table(kept('0', CONV), kept('1', NORM))
BLOCK = table(kept('conv{1,2}', CONV), kept('bn{1,2}', NORM))
BOTTLENECK = table(kept('conv{1,2,3}', CONV), kept('bn{1,2,3}', NORM))
