"""Output maps in, boxes out.

Legend: B images, C classes, H x W map, K detections an image.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.functional.peaks import gather_cells, top_peaks


class Detections(NamedTuple):
    """K detections of each image, best first.

    Attributes:
        boxes: (B, K, 4) x1, y1, x2, y2 in pixels of the network input.
        scores: (B, K) in [0, 1]; 0 where an image has fewer than K peaks.
        labels: (B, K) int64 class.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def decode_centers(
    heatmap: Tensor,
    wh: Tensor,
    offset: Tensor,
    *,
    stride: int,
    topk: int,
    kernel: int,
) -> Detections:
    """Read boxes off the maps (paper, section 3.1).

    Args:
        heatmap: (B, C, H, W) logits.
        wh: (B, 2, H, W) width and height in cells.
        offset: (B, 2, H, W) centre minus its cell, in cells.
        stride: Pixels a cell.
        topk: Detections an image.
        kernel: Odd side of the neighbourhood that a peak must top, in cells.

    Returns:
        Detections: K = min(topk, C * H * W). Computed in float32 at least.
    """
    peaks = top_peaks(heatmap, topk, kernel)
    sizes = gather_cells(wh, peaks.cells).float()
    offsets = gather_cells(offset, peaks.cells).float()
    width = heatmap.shape[-1]
    cells = torch.stack(
        [
            peaks.cells % width,
            torch.div(peaks.cells, width, rounding_mode='floor'),
        ],
        dim=-1,
    )
    centers = cells + offsets
    boxes = torch.cat([centers - sizes / 2, centers + sizes / 2], dim=-1) * stride
    return Detections(boxes, peaks.logits.float().sigmoid(), peaks.labels)
