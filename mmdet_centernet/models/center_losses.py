"""How wrong are the output maps of one stack.

Legend: B images, C classes, N objects in the batch, H x W map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import CenterTargets, Heat, paint_heatmap
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits


def heatmap_loss(
    loss: nn.Module, logits: Tensor, targets: CenterTargets, heat: Heat
) -> Tensor:
    """Loss of a heatmap, divided by the number of centre cells.

    No dense target is made, unless the loss asks for one.

    Args:
        loss: A ``GaussianFocalLossWithLogits``, or a loss that takes logits, a dense
            target, a weight and ``avg_factor``.
        logits: (B, C, H, W) heatmap.
        targets: The objects.
        heat: Their Gaussians.

    Returns:
        0-dim.
    """
    hidden = None if targets.ignored is None else targets.ignored[:, None]
    num_peaks = heat.num_peaks.clamp(min=1)
    if isinstance(loss, GaussianFocalLossWithLogits):
        return loss.sparse(
            logits, heat.cells, heat.values, hidden, avg_factor=num_peaks
        )
    target = paint_heatmap(targets)
    weight = None if hidden is None else (target.eq(1) | ~hidden).float()
    return loss(logits, target, weight, avg_factor=num_peaks)


def regression_loss(
    loss: nn.Module, maps: Tensor, wanted: Tensor, targets: CenterTargets
) -> Tensor:
    """Loss of what maps say at the centres, divided by the number of coordinates.

    Args:
        loss: A loss that takes vectors, what they should be and ``avg_factor``.
        maps: (B, 2, H, W) sizes or offsets.
        wanted: (N, 2) what they should be.
        targets: The objects.

    Returns:
        0-dim.
    """
    num_coordinates = (2 * targets.valid.sum()).clamp(min=1)
    vectors = _at_centers(maps, targets, wanted)
    return loss(vectors, wanted, avg_factor=num_coordinates)


def _at_centers(maps: Tensor, targets: CenterTargets, otherwise: Tensor) -> Tensor:
    """What (B, 2, H, W) maps say at the N centres: (N, 2) float32.

    Rows without an object get what is right, and so no loss: mmdet's losses read their
    weights back from the device.
    """
    xs, ys = targets.centers.unbind(1)
    vectors = maps[targets.images, :, ys, xs].float()
    return torch.where(targets.valid[:, None], vectors, otherwise)
