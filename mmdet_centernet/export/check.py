"""Does an exported graph give what the detector gives?

Rank by rank they cannot be compared: where two scores, or two neighbouring cells, are
equal but for a rounding error, either may come first. So each detection is looked up in
the maps of the detector, and what is missing is judged by how much hotter it is than
what came instead.

Legend: K detections, C classes, H x W map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_centernet.codecs import Detections, decode_centers
from mmdet_centernet.functional.mirror import average_mirrored
from mmdet_centernet.functional.peaks import top_peaks

BOX_TOLERANCE = 0.01
"""Pixels."""
SCORE_TOLERANCE = 1e-4


class Difference(NamedTuple):
    """Largest differences between detections and the maps they should come from.

    Attributes:
        boxes: In pixels, over the four coordinates.
        scores: By how much scores would have to change to make the detections right.
    """

    boxes: float
    scores: float

    @property
    def small(self) -> bool:
        """Whether both are within their tolerance; nan is not."""
        return self.boxes <= BOX_TOLERANCE and self.scores <= SCORE_TOLERANCE


@torch.no_grad()
def reference_maps(
    detector: nn.Module, inputs: Tensor, *, flip: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """What a detector computes by itself.

    Args:
        detector: Detector with a ``CTDetHead``.
        inputs: (B, 3, H, W) output of the data preprocessor.
        flip: Average with the mirror image.

    Returns:
        Heatmap logits (B, C, H, W), sizes and offsets (B, 2, H, W) of the last stack.
    """
    maps = [stacks[-1] for stacks in detector(inputs, mode='tensor')]
    if flip:
        mirrored = detector(inputs.flip(-1), mode='tensor')
        maps = list(average_mirrored(maps, [stacks[-1] for stacks in mirrored]))
    heatmap, wh, offset = maps
    return heatmap, wh, offset


def compare(
    found: Detections, maps: Sequence[Tensor], *, stride: int, kernel: int
) -> Difference:
    """Compare detections with the maps that they should have been read off.

    Args:
        found: K detections of B images.
        maps: Heatmap logits (B, C, H, W), sizes and offsets (B, 2, H, W).
        stride: Pixels a cell.
        kernel: Odd side of the neighbourhood of a peak, in cells.

    Returns:
        The largest differences.
    """
    differences = torch.stack(
        [
            _compare_image(
                Detections(*(values[i] for values in found)),
                [values[i : i + 1] for values in maps],
                stride,
                kernel,
            )
            for i in range(len(found.scores))
        ]
    )
    boxes, scores = differences.amax(0).tolist()  # unlike Python's max it keeps a nan
    return Difference(boxes, scores)


def _compare_image(
    found: Detections, maps: Sequence[Tensor], stride: int, kernel: int
) -> Tensor:
    """Differences of boxes and of scores of one image: (2,)."""
    heatmap = maps[0]
    boxes = _boxes_of_cells(maps, stride)
    # Those of score 0 fill up the list; their boxes mean nothing.
    labels, shown = found.labels[found.scores != 0], found.boxes[found.scores != 0]
    gaps, cells = (shown[:, None] - boxes).abs().amax(-1).min(1)
    scores = heatmap[0].flatten(1).sigmoid()  # (C, H * W)
    around = F.unfold(scores.view_as(heatmap)[0, :, None], kernel, padding=kernel // 2)
    hottest = around.amax(1)
    listed = torch.zeros_like(scores, dtype=torch.bool)
    listed[labels, cells] = True
    at_cells = scores[labels, cells]
    faults = [
        found.scores[found.scores != 0] - at_cells,
        hottest[labels, cells] - at_cells,
        found.scores.diff().clamp(min=0),  # the best has to come first
        _missing(found, heatmap, listed, around, kernel),
    ]
    zero = boxes.new_zeros(1)
    return torch.stack(
        [torch.cat([gaps, zero]).max(), torch.cat([*faults, zero]).abs().max()]
    )


def _boxes_of_cells(maps: Sequence[Tensor], stride: int) -> Tensor:
    """The box of every cell: (H * W, 4)."""
    heatmap, wh, offset = maps
    area = heatmap[0, 0].numel()
    # Falling from cell to cell, it gives them in their order.
    falling = -torch.arange(area, dtype=torch.float32).view_as(heatmap[:, :1])
    found = decode_centers(falling, wh, offset, stride=stride, topk=area, kernel=1)
    return found.boxes[0]


def _missing(
    found: Detections, heatmap: Tensor, listed: Tensor, around: Tensor, kernel: int
) -> Tensor:
    """How much hotter peaks that are not listed are than what is: (peaks,).

    What came instead is the last of the list, or a neighbouring cell.

    Args:
        found: Detections of one image.
        heatmap: (1, C, H, W) logits.
        listed: (C, H * W) which cells are among the detections.
        around: (C, kernel^2, H * W) scores of the neighbourhood of each cell.
        kernel: Odd side of the neighbourhood.
    """
    peaks = top_peaks(heatmap, len(found.scores), kernel)
    real = peaks.logits[0] > -torch.inf
    labels, cells = peaks.labels[0, real], peaks.cells[0, real]
    absent = ~listed[labels, cells]
    neighbourhood = around[labels[absent], :, cells[absent]].sort(dim=1).values
    neighbourhood = F.pad(neighbourhood, (1, 0))  # a cell may be all of it
    alternative = neighbourhood[:, -2].maximum(found.scores[-1])
    return (neighbourhood[:, -1] - alternative).clamp(min=0)
