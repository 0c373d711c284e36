"""Which cells of a heatmap are objects.

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
        logits: (B, K) height; minus infinity where an image has fewer than K peaks.
        labels: (B, K) class.
        cells: (B, K) position, ``y * W + x``.
    """

    logits: Tensor
    labels: Tensor
    cells: Tensor


def local_maxima(logits: Tensor, kernel: int) -> Tensor:
    """Where no cell of the ``kernel`` x ``kernel`` neighborhood is higher.

    All cells of a plateau count (paper, section 3.1: "greater or equal").

    Args:
        logits: (B, C, H, W), logits or anything that grows with the probability.
        kernel: Odd side of the neighborhood in cells.

    Returns:
        (B, C, H, W) bool.
    """
    highest = F.max_pool2d(logits, kernel, stride=1, padding=kernel // 2)
    return highest == logits


def top_peaks(logits: Tensor, k: int, kernel: int = 3) -> Peaks:
    """Find the ``k`` highest peaks over all classes of each image.

    The sigmoid is monotone, so peaks can be found on logits, where large scores do not
    collapse into plateaus.

    Args:
        logits: (B, C, H, W).
        k: Number of peaks; at most C * H * W are returned.
        kernel: Odd side of the neighborhood that a peak must top, in cells.

    Returns:
        Peaks: K = min(k, C * H * W).
    """
    # Sizes that depend on values would stall an accelerator and freeze into a trace.
    if logits.device.type == 'cpu' and not torch.jit.is_tracing():
        return _top_peaks_by_row(logits, min(k, logits[0].numel()), kernel)
    area = logits.shape[-2] * logits.shape[-1]
    heights = logits.masked_fill(~local_maxima(logits, kernel), -torch.inf).flatten(1)
    top, index = heights.topk(_at_most(k, heights.shape[1]))
    return Peaks(top, index // area, index % area)


def _at_most(k: int, length: int) -> int:
    """The smaller one; in a trace, where lengths are tensors, of every later input."""
    if torch.jit.is_tracing():
        return torch.as_tensor(length).clamp(max=k)  # type: ignore[return-value]
    return min(k, length)


def _top_peaks_by_row(logits: Tensor, k: int, kernel: int) -> Peaks:
    """The same, looking for peaks only in rows that can hold one of the highest.

    The highest cell of a row that tops the rows around it is a peak. The k-th highest
    of those is a bound: rows that stay below it hold none of the k highest peaks.
    """
    height, width = logits.shape[-2:]
    row_tops = logits.amax(-1)
    sure = F.max_pool2d(row_tops, (1, kernel), 1, (0, kernel // 2)) == row_tops
    sure_tops = row_tops.masked_fill(~sure, -torch.inf).flatten(1)
    bounds = sure_tops.topk(min(k, sure_tops.shape[1])).values[:, -1]
    if sure_tops.shape[1] < k:
        bounds = torch.full_like(bounds, -torch.inf)
    # Asked this way round, what is no number hides nothing but itself.
    rows = (~(row_tops < bounds[:, None, None])).nonzero()
    images, labels, ys = rows.unbind(1)
    around = torch.arange(kernel) - kernel // 2
    near = (ys[:, None] + around).clamp(0, height - 1)
    strips = logits[images[:, None], labels[:, None], near]  # (rows, kernel, W)
    highest = F.max_pool1d(strips.amax(1), kernel, 1, kernel // 2)
    found = strips[:, kernel // 2] == highest
    row, xs = found.nonzero().unbind(1)
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
    cells: Tensor,
    shape: tuple[int, int],
) -> Peaks:
    """Sort a list of peaks into the (B, K) highest of each image."""
    order = logits.argsort(descending=True)
    order = order[images[order].argsort(stable=True)]
    images = images[order]
    counts = images.bincount()
    ranks = torch.arange(len(order)) - (counts.cumsum(0) - counts)[images]
    kept = ranks < shape[1]
    order, place = order[kept], (images[kept], ranks[kept])
    ranked = Peaks(
        logits.new_full(shape, -torch.inf),
        labels.new_zeros(shape),
        cells.new_zeros(shape),
    )
    for table, values in zip(ranked, (logits, labels, cells), strict=True):
        table[place] = values[order]
    return ranked


def cell_positions(cells: Tensor, width: int) -> Tensor:
    """Column and row of cells.

    Args:
        cells: (...) positions, ``y * W + x``.
        width: Columns of the map, W.

    Returns:
        (..., 2) int64 x, y.
    """
    ys = torch.div(cells, width, rounding_mode='floor')
    return torch.stack([cells % width, ys], dim=-1)


def gather_cells(maps: Tensor, cells: Tensor) -> Tensor:
    """Read the vectors that stand at the given cells.

    Args:
        maps: (B, D, H, W).
        cells: (B, K) positions, ``y * W + x``.

    Returns:
        (B, K, D).
    """
    index = cells[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).transpose(1, 2)
