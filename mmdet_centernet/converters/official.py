"""Weights of the official implementation under our names, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from torch import Tensor

from mmdet_centernet.converters.layouts import OFFICIAL, Layout
from mmdet_centernet.converters.rename import recognize, rename, without_prefix

OURS = {
    network: Layout({ours: official for official, ours in layout.names.items()})
    for network, layout in OFFICIAL.items()
}
WRAPPER = 'module.'
"""What a parallel wrapper puts before every key."""


def convert_official_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an official network, renamed for ours.

    Knows ``res_18``, ``resdcn_18``, ``resdcn_101``, ``dla_34`` and ``hourglass`` with
    any number of classes, and tells them by their keys; of ``dla_34`` and ``hourglass``
    also the networks for human pose (``multi_pose``), with or without joint heatmaps
    and their offsets. Tensors that the official network never uses are left out, see
    :func:`dead_tensors`.

    Args:
        state_dict: As the official code saves it in ``state_dict``, with or without
            ``module.`` before the keys and counters of batch norms.

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
    """Weights of one of our detectors, renamed for the official code.

    The inverse of :func:`convert_official_state_dict`, dead tensors aside: the
    official loader leaves those as they are.

    Args:
        state_dict: State dict of a detector that takes official weights.

    Returns:
        State dict with official names. Tensors are shared.

    Raises:
        ValueError: If a key is unknown or missing. All of them are listed.
    """
    network = recognize(state_dict, OURS)
    return rename(state_dict, OURS[network], f'our {network}')


def detect_architecture(state_dict: Mapping[str, Tensor]) -> str:
    """Official name of the network that the weights resemble most."""
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
    """Tensors of an official state dict that no output depends on, with the reason."""
    official = without_prefix(state_dict, WRAPPER)
    reasons = OFFICIAL[recognize(official, OFFICIAL)].dead
    return {
        key: (official[key], why) for key, why in reasons.items() if key in official
    }
