"""Renames state dicts by a table and checks every key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mmdet_centernet.renaming.tables import Layout

# Only norms without momentum use it, and no network here has any. Files written before
# torch 0.4.1 lack it.
COUNTER = 'num_batches_tracked'


def rename(
    state_dict: Mapping[str, Tensor], layout: Layout, name: str
) -> dict[str, Tensor]:
    """Renames tensors by a layout.

    Args:
        state_dict: Tensors by their old names.
        layout: Table of the names.
        name: Name of the network, for messages.

    Returns:
        Tensors by their new names: not copied, without dead ones, with all counters.

    Raises:
        ValueError: If a key is unknown or missing. All of them are listed.
    """
    unknown = [k for k in state_dict if k not in layout.names and k not in layout.dead]
    missing = [k for k in layout.names if k not in state_dict and not _is_counter(k)]
    if unknown or missing:
        raise ValueError(
            f'these are not the weights of {name}, the best match.'
            + _listed('unknown', unknown)
            + _listed('missing', missing)
        )
    return {
        new: state_dict[old] if old in state_dict else torch.zeros((), dtype=torch.long)
        for old, new in layout.names.items()
    }


def recognize(keys: Iterable[str], layouts: Mapping[str, Layout]) -> str:
    """Returns the name of the layout with the fewest unknown and missing keys."""
    found = {key for key in keys if not _is_counter(key)}

    def distance(name: str) -> int:
        layout = layouts[name]
        expected = {key for key in layout.names if not _is_counter(key)}
        return len((found - layout.dead.keys()) ^ expected)

    return min(layouts, key=distance)


def without_prefix(state_dict: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Removes a prefix from the keys that have it.

    Raises:
        ValueError: If a key exists with and without the prefix.
    """
    both = [key for key in state_dict if prefix + key in state_dict]
    if both:
        raise ValueError(
            f'these keys exist with and without the prefix {prefix!r}; keep one of '
            'the two.' + _listed('twice', both)
        )
    return {key.removeprefix(prefix): value for key, value in state_dict.items()}


def _is_counter(key: str) -> bool:
    return key.endswith(COUNTER)


def _listed(kind: str, keys: list[str]) -> str:
    return ''.join(f'\n  {kind}: {key}' for key in keys)
