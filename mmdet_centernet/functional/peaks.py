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
    """Where no cell of the ``kernel`` x ``kernel`` neighbourhood is higher.

    All cells of a plateau count (paper, section 3.1: "greater or equal").

    Args:
        logits: (B, C, H, W), logits or anything that grows with the probability.
        kernel: Odd side of the neighbourhood in cells.

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
        kernel: Odd side of the neighbourhood that a peak must top, in cells.

    Returns:
        Peaks: K = min(k, C * H * W).
    """
    area = logits.shape[-2] * logits.shape[-1]
    heights = logits.masked_fill(~local_maxima(logits, kernel), -torch.inf)
    heights = heights.flatten(1)
    top, index = heights.topk(min(k, heights.shape[1]))
    return Peaks(top, index // area, index % area)


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
