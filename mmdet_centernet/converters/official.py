"""Converts weights between the official implementation and this package."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from torch import Tensor

from mmdet_centernet.converters.layouts import OFFICIAL
from mmdet_centernet.renaming.rename import recognize, rename, without_prefix
from mmdet_centernet.renaming.tables import Layout

OURS = {
    network: Layout({ours: official for official, ours in layout.names.items()})
    for network, layout in OFFICIAL.items()
}
WRAPPER = 'module.'
"""Prefix that a parallel wrapper adds to every key."""


def convert_official_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of an official network for this package.

    Supports ``res_18``, ``resdcn_18``, ``resdcn_101``, ``dla_34`` and ``hourglass``,
    with any number of classes, and the human pose networks (``multi_pose``) of
    ``dla_34`` and ``hourglass``, with or without keypoint heatmaps and their offsets.
    The keys determine the network. Unused tensors are dropped, see
    :func:`dead_tensors`.

    Args:
        state_dict: ``state_dict`` of an official checkpoint, with or without the prefix
            ``module.`` and the counters of batch norms.

    Returns:
        State dict of the detector of a config in ``configs/ctdet`` or
        ``configs/ctpose``. Tensors are shared.

    Raises:
        ValueError: If a key is unknown or missing. All of them are listed.
    """
    official = without_prefix(state_dict, WRAPPER)
    network = recognize(official, OFFICIAL)
    return rename(official, OFFICIAL[network], f'the official {network}')


def to_official_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of a detector of this package for the official code.

    Inverse of :func:`convert_official_state_dict`, except for dead tensors, which the
    official loader does not need.

    Args:
        state_dict: State dict of a detector with an official counterpart.

    Returns:
        State dict with official names. Tensors are shared.

    Raises:
        ValueError: If a key is unknown or missing. All of them are listed.
    """
    network = recognize(state_dict, OURS)
    return rename(state_dict, OURS[network], f'our {network}')


def detect_architecture(state_dict: Mapping[str, Tensor]) -> str:
    """Returns the official name of the network whose keys match best."""
    return recognize(without_prefix(state_dict, WRAPPER), OFFICIAL)


def official_network(state_dict: Mapping[str, Tensor]) -> str:
    """Former name of :func:`detect_architecture`."""
    warnings.warn(
        'official_network is called detect_architecture now', DeprecationWarning, 2
    )
    return detect_architecture(state_dict)


def dead_tensors(
    state_dict: Mapping[str, Tensor],
) -> dict[str, tuple[Tensor, str]]:
    """Returns the unused tensors of an official state dict, with the reason."""
    official = without_prefix(state_dict, WRAPPER)
    reasons = OFFICIAL[recognize(official, OFFICIAL)].dead
    return {
        key: (official[key], why) for key, why in reasons.items() if key in official
    }
