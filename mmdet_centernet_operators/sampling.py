"""Bilinear samples of a feature map as weighted sums of its cells.

A map becomes a table with one row of channels per cell. A sample is the weighted sum of
four rows, a sum of samples that of more. ``embedding_bag`` is torch's fast and
differentiable function for such sums.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def to_rows(maps: Tensor, groups: int = 1) -> Tensor:
    """Lays out maps with one row per cell and group of channels.

    Args:
        maps: (B, C, H, W).
        groups: Number of channel groups G.

    Returns:
        (B * H * W * G, C / G), in this order.
    """
    rows = maps.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C)
    return rows.view(-1, maps.shape[1] // groups)


def weighted_sums(rows: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """Computes weighted sums of rows.

    Args:
        rows: (R, C), float32 or float64.
        indices: (N, K) int64, rows of each sum.
        weights: (N, K), in the dtype of the rows.

    Returns:
        (N, C).
    """
    if not len(indices):
        return rows.new_zeros(0, rows.shape[1])
    return F.embedding_bag(indices, rows, per_sample_weights=weights, mode='sum')


def axis_corners(places: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Finds the two cells around each place along one axis, with zeros outside.

    Args:
        places: Any shape; 0 is the center of the first cell.
        length: Number of cells.

    Returns:
        Cells, int64, and their weights, both (..., 2). A cell outside the map has
        weight 0 and an index inside.
    """
    # Weights and gradient are 0 from one cell outside on. Unlike clamp, hardtanh has no
    # gradient at the border itself. It also keeps places in the range of int64.
    places = F.hardtanh(places, -1, length)
    low = places.floor()
    share = places - low
    cells = torch.stack([low, low + 1], dim=-1).long()
    weights = torch.stack([1 - share, share], dim=-1)
    inside = (cells >= 0) & (cells < length)
    # The clamp also bounds the index of a NaN place, whose weight is NaN.
    return cells.clamp(0, length - 1), weights * inside


def corners(
    vertical: Tensor, horizontal: Tensor, combine: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Combines values of two cells per axis to values of the four cells around.

    Args:
        vertical: (..., 2).
        horizontal: (..., 2).
        combine: Function of a vertical and a horizontal value.

    Returns:
        (..., 4).
    """
    return combine(vertical[..., :, None], horizontal[..., None, :]).flatten(-2)
