"""How wrong are the output maps of one stack.

Legend: B images, C classes, N objects in the batch, P cells that learn boxes, H x W
map. Units are cells.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import BoxCells, CenterTargets, Heat, paint_heatmap
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits

SMALLEST_SIZE = 1e-3
"""Cells; a box needs an extent for an IoU. Negative sizes are left to ``loss_wh``."""


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


def box_losses(
    wh: Tensor,
    offset: Tensor,
    targets: CenterTargets,
    cells: BoxCells,
    losses: Mapping[str, nn.Module],
) -> dict[str, Tensor]:
    """Losses of what cells say about the objects that they learn.

    Each is a mean over objects, within an object by the weights of its cells.

    Args:
        wh: (B, 2, H, W) sizes.
        offset: (B, 2, H, W) from a cell to the centre.
        targets: The objects.
        cells: The cells that learn.
        losses: ``loss_wh`` and ``loss_offset`` of vectors; ``loss_bbox``, if there, of
            boxes.

    Returns:
        0-dim losses by name.
    """
    way = targets.centers[cells.objects] - torch.stack([cells.xs, cells.ys], dim=1)
    sizes = targets.sizes[cells.objects]
    offsets = targets.offsets[cells.objects] + way
    said_sizes = _at_cells(wh, targets, cells, sizes)
    said_offsets = _at_cells(offset, targets, cells, offsets)
    pairs = dict(
        loss_wh=(said_sizes, sizes),
        loss_offset=(said_offsets, offsets),
        loss_bbox=(
            _boxes(said_offsets, said_sizes.clamp(min=SMALLEST_SIZE)),
            _boxes(offsets, sizes),
        ),
    )
    return {
        name: _weighted_mean(loss, *pairs[name], cells.weights)
        for name, loss in losses.items()
    }


def _at_cells(
    maps: Tensor, targets: CenterTargets, cells: BoxCells, otherwise: Tensor
) -> Tensor:
    """What (B, 2, H, W) maps say in P cells: (P, 2) float32.

    Cells without weight say what is right, so that nothing there can spoil the sum.
    """
    images = targets.images[cells.objects]
    vectors = maps[images, :, cells.ys, cells.xs].float()
    return torch.where(cells.weights[:, None] > 0, vectors, otherwise)


def _boxes(offsets: Tensor, sizes: Tensor) -> Tensor:
    """(P, 4) x1, y1, x2, y2 as seen from the cells."""
    return torch.cat([offsets - sizes / 2, offsets + sizes / 2], dim=1)


def _weighted_mean(
    loss: nn.Module, said: Tensor, wanted: Tensor, weights: Tensor
) -> Tensor:
    """Mean over coordinates and, by their weights, over cells.

    The loss is not told the weights: mmdet's would read them back from the device.
    """
    if not len(weights):
        return said.sum()  # 0 that depends on the maps
    each = loss(said, wanted, reduction_override='none').reshape(len(weights), -1)
    count = each.shape[1] * weights.sum().clamp(min=1)
    return (each * weights[:, None]).sum() / count
