"""Bilinear samples of a feature map as weighted sums of its cells.

A map is laid out as a table with one row of channels a cell. A sample is the weighted
sum of four rows, and a bag of samples is the weighted sum of more. Torch has a fast and
differentiable function for such sums, ``embedding_bag``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def to_rows(maps: Tensor, groups: int = 1) -> Tensor:
    """Lays maps out with one row a cell and group of channels.

    Args:
        maps: (B, C, H, W).
        groups: How many groups G the channels are split into.

    Returns:
        (B * H * W * G, C / G), in this order.
    """
    rows = maps.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C)
    return rows.view(-1, maps.shape[1] // groups)


def weighted_sums(rows: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Sums of rows.

    Args:
        rows: (R, C), float32 or float64.
        indices: (N, K) int64, which rows each sum takes.
        weights: (N, K), in the dtype of the rows.

    Returns:
        (N, C).
    """
    if not len(indices):
        return rows.new_zeros(0, rows.shape[1])
    return F.embedding_bag(indices, rows, per_sample_weights=weights, mode='sum')


def axis_corners(places: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The two cells around each place along one axis, with zeros outside the map.

    Args:
        places: Any shape; 0 is the middle of the first cell.
        length: Number of cells.

    Returns:
        Cells, int64, and their weights, both (..., 2). A cell outside the map has
        weight 0 and an index inside.
    """
    # From one cell outside on all weights are 0, and so is the gradient, of the border
    # itself as well, where `clamp` would let it pass. int64 holds no larger places.
    places = F.hardtanh(places, -1, length)
    low = places.floor()
    share = places - low
    cells = torch.stack([low, low + 1], dim=-1).long()
    weights = torch.stack([1 - share, share], dim=-1)
    inside = (cells >= 0) & (cells < length)
    # The clamp also catches the index of a place that is NaN, whose weight is NaN.
    return cells.clamp(0, length - 1), weights * inside


def corners(
    vertical: Tensor, horizontal: Tensor, combine: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Joins what is known along each axis to what is known of the four cells around.

    Args:
        vertical: (..., 2).
        horizontal: (..., 2).
        combine: Of one number of each.

    Returns:
        (..., 4).
    """
    return combine(vertical[..., :, None], horizontal[..., None, :]).flatten(-2)
