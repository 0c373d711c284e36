"""How wrong are the output maps of one stack.

Legend: B images, C classes, P cells that learn, D channels, H x W map. Units are cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import Heat, MapTarget, PointTargets, paint_heatmap
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits

SMALLEST_SIZE = 1e-3
"""Cells; a box needs an extent for an IoU. Negative sizes are left to ``loss_wh``."""


def heatmap_loss(
    loss: nn.Module, logits: Tensor, targets: PointTargets, heat: Heat
) -> Tensor:
    """Loss of a heatmap, divided by the number of centre cells.

    No dense target is made, unless the loss asks for one.

    Args:
        loss: A ``GaussianFocalLossWithLogits``, or a loss that takes logits, a dense
            target, a weight and ``avg_factor``.
        logits: (B, C, H, W) heatmap.
        targets: The points.
        heat: Their Gaussians.

    Returns:
        0-dim.
    """
    ignored = None if targets.ignored is None else targets.ignored[:, None]
    num_peaks = heat.num_peaks.clamp(min=1)
    if isinstance(loss, GaussianFocalLossWithLogits):
        return loss.sparse(
            logits, heat.cells, heat.values, ignored, avg_factor=num_peaks
        )
    target = paint_heatmap(targets)
    weight = None if ignored is None else (target.eq(1) | ~ignored).float()
    return loss(logits, target, weight, avg_factor=num_peaks)


def map_loss(loss: nn.Module, maps: Tensor, taught: MapTarget) -> Tensor:
    """Loss of what cells put out: a mean over objects and channels.

    Within an object the mean is over its cells, by their weights.

    Args:
        loss: Of (P, D) predictions and targets.
        maps: (B, D, H, W).
        taught: What the cells of the map have to put out.

    Returns:
        0-dim.
    """
    return _weighted_mean(loss, _at_cells(maps, taught), taught.values, taught.weights)


def bbox_loss(
    loss: nn.Module, wh: Tensor, offset: Tensor, sizes: MapTarget, offsets: MapTarget
) -> Tensor:
    """Loss of boxes.

    Args:
        loss: Of (P, 4) boxes.
        wh: (B, 2, H, W) sizes.
        offset: (B, 2, H, W) from a cell to the centre.
        sizes: What the cells of ``wh`` have to put out.
        offsets: What those of ``offset`` have to, in the same cells.

    Returns:
        0-dim.
    """
    pred_sizes = _at_cells(wh, sizes).clamp(min=SMALLEST_SIZE)
    pred = _boxes(_at_cells(offset, offsets), pred_sizes)  # (P, 4)
    target = _boxes(offsets.values, sizes.values)
    return _weighted_mean(loss, pred, target, sizes.weights[:, :1])


def _at_cells(maps: Tensor, taught: MapTarget) -> Tensor:
    """What the cells put out, (P, D) float32.

    Where the weight is 0 the target is returned, so that NaN predictions cannot reach
    the sum.
    """
    vectors = maps[taught.images, :, taught.ys, taught.xs].float()
    return torch.where(taught.weights > 0, vectors, taught.values)


def _boxes(offsets: Tensor, sizes: Tensor) -> Tensor:
    """(P, 4) x1, y1, x2, y2 as seen from the cells."""
    return torch.cat([offsets - sizes / 2, offsets + sizes / 2], dim=1)


def _weighted_mean(
    loss: nn.Module, pred: Tensor, target: Tensor, weights: Tensor
) -> Tensor:
    """Mean by weights, which are (P, D) or, for losses of whole rows, (P, 1).

    The loss is not told the weights: mmdet's would read them back from the device.
    """
    if not len(weights):
        return pred.sum()  # 0 that depends on the maps
    each = loss(pred, target, reduction_override='none').reshape(len(weights), -1)
    weights = weights.expand_as(each)
    return (each * weights).sum() / weights.sum().clamp(min=1)
