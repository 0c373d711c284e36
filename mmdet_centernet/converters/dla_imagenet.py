"""Converts ImageNet DLA-34 weights from official, timm or mmdet3d names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmdet_centernet.converters.layouts import IMAGENET_DLA
from mmdet_centernet.converters.rename import rename


def convert_dla_imagenet(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of a DLA-34 classifier for ``DLANet``.

    The formats differ slightly: timm omits the unused projections; mmdet3d omits the
    classifier and writes ``norm`` for ``bn``.

    Args:
        state_dict: Weights with the names of any of the three.

    Returns:
        State dict of a ``DLANet`` with all levels. Tensors are shared.

    Raises:
        ValueError: If a key is unknown or missing. All of them are listed.
    """
    official = {
        re.sub(r'\bnorm([12]?)\.', r'bn\1.', key): value
        for key, value in state_dict.items()
    }
    return rename(official, IMAGENET_DLA, 'a DLA-34 by ucbdrive, timm or mmdet3d')
