"""Converts ImageNet DLA-34 weights from official, timm or mmdet3d names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from mmdet_centernet.renaming.rename import rename
from mmdet_centernet.renaming.tables import (
    BLOCK,
    CONV,
    CONV_NORM,
    NORM,
    PROJECTION,
    UNNAMED,
    Layout,
    expand,
    kept,
    table,
)

TREES = (
    '{2,3.tree1,3.tree2,4.tree1,4.tree2,5}',
    '{2,3.tree1,4.tree1,5}',  # trees that change the number of channels
)
DLA = table(
    ('base_layer', 'stem', UNNAMED),
    ('level{0,1}', 'levels.{0,1}', UNNAMED),
    (f'level{TREES[0]}.tree{{1,2}}', f'levels.{TREES[0]}.tree{{1,2}}', BLOCK),
    (f'level{TREES[0]}.root', f'levels.{TREES[0]}.root', CONV_NORM),
    (f'level{TREES[1]}.project.0', f'levels.{TREES[1]}.tree1.downsample.1', CONV),
    (f'level{TREES[1]}.project.1', f'levels.{TREES[1]}.tree1.downsample.2', NORM),
)
DLA_DEAD = dict.fromkeys(
    expand('fc.{weight,bias}'), 'classifier of the pretraining, not part of a detector'
) | dict.fromkeys(
    table(kept('level{3,4}.project', PROJECTION)),
    'its output is unused: the inner tree projects the same input itself',
)

IMAGENET_DLA = Layout(DLA, DLA_DEAD)


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
