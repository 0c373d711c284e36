"""Boxes of an image, alone and in a shared cell, as targets."""

import torch

from mmdet_centernet.codecs import CenterNetTargetAssigner

STRIDE = 4
ALONE = (4, 4, 20, 24)
TWIN = (40, 40, 52, 54)
OTHER_TWIN = (41, 38, 51, 56)  # its center is in the same cell
FLAT = (60, 20, 60, 30)
THIN = (90, 4, 92, 60)


def make_targets(boxes, labels=None, cells=32, **assigner):
    """Targets of one image with three classes."""
    labels = torch.zeros(len(boxes)) if labels is None else torch.tensor(labels)
    return CenterNetTargetAssigner(**assigner).assign(
        [torch.tensor(boxes, dtype=torch.float).reshape(-1, 4)],
        [labels.long()],
        (1, 3, cells, cells),
        stride=STRIDE,
    )
