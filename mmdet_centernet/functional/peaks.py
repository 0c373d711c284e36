"""Finds the peaks of a heatmap.

Legend: B images, C classes, H x W map, K peaks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Peaks(NamedTuple):
    """The K highest peaks of each image, highest first.

    Attributes:
        logits: (B, K) value; minus infinity where an image has fewer than K peaks.
        labels: (B, K) class.
        positions: (B, K) flattened cell, ``y * W + x``.
    """

    logits: Tensor
    labels: Tensor
    positions: Tensor


def local_maxima(logits: Tensor, kernel: int) -> Tensor:
    """Finds cells that no cell of their neighborhood exceeds.

    All cells of a plateau count (paper, section 3.1: "greater or equal").

    Args:
        logits: (B, C, H, W) logits, or any increasing function of the probability.
        kernel: Odd side of the neighborhood in cells.

    Returns:
        (B, C, H, W) bool.
    """
    highest = F.max_pool2d(logits, kernel, stride=1, padding=kernel // 2)
    return highest == logits


def top_peaks(logits: Tensor, k: int, kernel: int = 3) -> Peaks:
    """Finds the ``k`` highest peaks over all classes of each image.

    The sigmoid is monotone. On logits, high scores do not round to plateaus.

    Args:
        logits: (B, C, H, W).
        k: Number of peaks; at most C * H * W are returned.
        kernel: Odd side of the neighborhood in cells.

    Returns:
        Peaks: K = min(k, C * H * W).
    """
    # The row-wise search has shapes that depend on values: they would sync an
    # accelerator and become constants in a trace.
    if logits.device.type == 'cpu' and not torch.jit.is_tracing():
        return _top_peaks_by_row(logits, min(k, logits[0].numel()), kernel)
    area = logits.shape[-2] * logits.shape[-1]
    peaks = logits.masked_fill(~local_maxima(logits, kernel), -torch.inf).flatten(1)
    top, index = peaks.topk(_at_most(k, peaks.shape[1]))  # (B, K) in C * H * W
    return Peaks(top, index // area, index % area)


def _at_most(k: int, length: int) -> int:
    """Returns the smaller one; a trace computes it anew for each input."""
    if torch.jit.is_tracing():
        return torch.as_tensor(length).clamp(max=k)  # type: ignore[return-value]
    return min(k, length)


def _top_peaks_by_row(logits: Tensor, k: int, kernel: int) -> Peaks:
    """Finds peaks only in rows that can hold one of the ``k`` highest.

    A row whose maximum is not exceeded by the rows around it holds a peak. The k-th
    highest of these peaks is a lower bound: rows below it hold none of the k highest.
    """
    height, width = logits.shape[-2:]
    row_tops = logits.amax(-1)  # (B, C, H)
    sure = F.max_pool2d(row_tops, (1, kernel), 1, (0, kernel // 2)) == row_tops
    sure_tops = row_tops.masked_fill(~sure, -torch.inf).flatten(1)  # (B, C * H)
    bounds = sure_tops.topk(min(k, sure_tops.shape[1])).values[:, -1]  # (B,)
    if sure_tops.shape[1] < k:
        bounds = torch.full_like(bounds, -torch.inf)
    # Negated: keeps rows with NaN, and all rows of an image whose bound is NaN.
    rows = (~(row_tops < bounds[:, None, None])).nonzero()  # (R, 3)
    images, labels, ys = rows.unbind(1)
    around = torch.arange(kernel) - kernel // 2
    near = (ys[:, None] + around).clamp(0, height - 1)
    strips = logits[images[:, None], labels[:, None], near]  # (R, kernel, W)
    highest = F.max_pool1d(strips.amax(1), kernel, 1, kernel // 2)  # (R, W)
    is_peak = strips[:, kernel // 2] == highest
    row, xs = is_peak.nonzero().unbind(1)
    return _rank(
        highest[row, xs],
        images[row],
        labels[row],
        ys[row] * width + xs,
        (len(logits), k),
    )


def _rank(
    logits: Tensor,
    images: Tensor,
    labels: Tensor,
    positions: Tensor,
    shape: tuple[int, int],
) -> Peaks:
    """Sorts a list of P peaks into the (B, K) highest of each image."""
    order = logits.argsort(descending=True)  # (P,)
    order = order[images[order].argsort(stable=True)]  # by image, then by logit
    images = images[order]
    counts = images.bincount()  # (B,)
    ranks = torch.arange(len(order)) - (counts.cumsum(0) - counts)[images]
    kept = ranks < shape[1]
    order, slots = order[kept], (images[kept], ranks[kept])
    ranked = Peaks(
        logits.new_full(shape, -torch.inf),
        labels.new_zeros(shape),
        positions.new_zeros(shape),
    )
    for table, values in zip(ranked, (logits, labels, positions), strict=True):
        table[slots] = values[order]
    return ranked


def cells_at(positions: Tensor, width: int) -> Tensor:
    """Converts flattened positions to cells.

    Args:
        positions: (...) ``y * W + x``.
        width: Columns of the map, W.

    Returns:
        (..., 2) int64 x, y.
    """
    ys = torch.div(positions, width, rounding_mode='floor')
    return torch.stack([positions % width, ys], dim=-1)


def gather_cells(maps: Tensor, positions: Tensor) -> Tensor:
    """Gathers the vectors of given cells.

    Args:
        maps: (B, D, H, W).
        positions: (B, K) flattened cells, ``y * W + x``.

    Returns:
        (B, K, D).
    """
    index = positions[:, None].expand(-1, maps.shape[1], -1)  # (B, D, K)
    return maps.flatten(2).gather(2, index).transpose(1, 2)
