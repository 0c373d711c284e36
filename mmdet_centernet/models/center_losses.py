"""Losses of the output maps of one stack.

Legend: B images, C classes, P supervised cells, D channels, H x W map. Units are cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import HeatmapTarget, RegressionTarget, paint_heatmap
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits

SMALLEST_SIZE = 1e-3
"""Cells; an IoU needs boxes with an area. ``loss_wh`` corrects negative sizes."""


def heatmap_loss(loss: nn.Module, logits: Tensor, target: HeatmapTarget) -> Tensor:
    """Computes the loss of a heatmap, divided by the number of center cells.

    A dense target is painted only for losses that need one.

    Args:
        loss: A ``GaussianFocalLossWithLogits``, or a loss that takes logits, a dense
            target, a weight and ``avg_factor``.
        logits: (B, C, H, W) heatmap.
        target: The points and their Gaussians.

    Returns:
        0-dim.
    """
    points, heatmap = target
    ignored = (
        None if points.ignored is None else points.ignored[:, None]
    )  # (B, 1, H, W)
    num_peaks = heatmap.num_peaks.clamp(min=1)
    if isinstance(loss, GaussianFocalLossWithLogits):
        return loss.sparse(
            logits, heatmap.positions, heatmap.values, ignored, avg_factor=num_peaks
        )
    dense = paint_heatmap(points)  # (B, C, H, W)
    weight = None if ignored is None else (dense.eq(1) | ~ignored).float()
    return loss(logits, dense, weight, avg_factor=num_peaks)


def regression_loss(loss: nn.Module, maps: Tensor, target: RegressionTarget) -> Tensor:
    """Computes the loss of a map as a mean over objects and channels.

    The share of an object is the mean over its cells, by their weights.

    Args:
        loss: Of (P, D) predictions and targets.
        maps: (B, D, H, W).
        target: The supervised cells.

    Returns:
        0-dim.
    """
    return _weighted_mean(loss, _at_cells(maps, target), target.values, target.weights)


def bbox_loss(
    loss: nn.Module,
    wh: Tensor,
    offset: Tensor,
    wh_target: RegressionTarget,
    offset_target: RegressionTarget,
) -> Tensor:
    """Computes the loss of boxes.

    Args:
        loss: Of (P, 4) boxes.
        wh: (B, 2, H, W) sizes.
        offset: (B, 2, H, W) from a cell to the center.
        wh_target: The supervised cells of ``wh``.
        offset_target: The same cells with the targets of ``offset``.

    Returns:
        0-dim.
    """
    pred_sizes = _at_cells(wh, wh_target).clamp(min=SMALLEST_SIZE)  # (P, 2)
    pred = _boxes(_at_cells(offset, offset_target), pred_sizes)  # (P, 4)
    target = _boxes(offset_target.values, wh_target.values)  # (P, 4)
    return _weighted_mean(loss, pred, target, wh_target.weights[:, :1])


def _at_cells(maps: Tensor, target: RegressionTarget) -> Tensor:
    """Gathers the predictions of the supervised cells, (P, D) float32.

    Where the weight is 0 the target is returned, so that NaN predictions cannot reach
    the sum.
    """
    vectors = maps[target.images, :, target.ys, target.xs].float()  # (P, D)
    return torch.where(target.weights > 0, vectors, target.values)


def _boxes(offsets: Tensor, sizes: Tensor) -> Tensor:
    """Returns (P, 4) x1, y1, x2, y2 relative to the cells."""
    return torch.cat([offsets - sizes / 2, offsets + sizes / 2], dim=1)


def _weighted_mean(
    loss: nn.Module, pred: Tensor, target: Tensor, weights: Tensor
) -> Tensor:
    """Averages by weights, which are (P, D) or, for losses of whole rows, (P, 1).

    The weights are applied here, since mmdet's losses would sync to read them.
    """
    if not len(weights):
        return pred.sum()  # 0 that depends on the maps
    losses = loss(pred, target, reduction_override='none').reshape(len(weights), -1)
    weights = weights.expand_as(losses)
    return (losses * weights).sum() / weights.sum().clamp(min=1)
