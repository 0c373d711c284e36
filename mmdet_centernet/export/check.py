"""Does an exported graph give what the detector gives?

Detections of nearly equal scores may come in another order, or be among the best K here
and not there. So scores are compared rank by rank, and each box is looked up among all
that the detector's maps hold for its class and score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import Detections, decode_centers
from mmdet_centernet.functional.mirror import average_mirrored

BOX_TOLERANCE = 0.01
"""Pixels."""
SCORE_TOLERANCE = 1e-4


class Difference(NamedTuple):
    """Largest differences between two sets of detections.

    Attributes:
        boxes: In pixels, over the four coordinates; infinity where a box has no
            counterpart.
        scores: Between those of the same rank.
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
    topk = found.scores.shape[1]
    expected = decode_centers(*maps, stride=stride, topk=topk, kernel=kernel)
    scores = (found.scores - expected.scores).abs().max()
    boxes = [
        _box_differences(
            Detections(*(values[i] for values in found)),
            [one[i : i + 1] for one in maps],
            stride,
        )
        for i in range(len(found.scores))
    ]
    # torch's maximum, unlike Python's, does not lose a nan.
    return Difference(torch.cat(boxes).max().item(), scores.item())


def _box_differences(found: Detections, maps: Sequence[Tensor], stride: int) -> Tensor:
    """The differences among the detections of one image, class by class.

    Those of score 0 fill up the list; their boxes mean nothing.
    """
    heatmap, wh, offset = maps
    differences = [heatmap.new_zeros(1)]
    for label in found.labels[found.scores != 0].unique():
        chosen = (found.labels == label) & (found.scores != 0)
        cells = decode_centers(
            heatmap[:, label, None],
            *(wh, offset),
            stride=stride,
            topk=heatmap[0, 0].numel(),
            kernel=1,
        )
        gaps = (found.boxes[chosen, None] - cells.boxes).abs().amax(-1)
        apart = (found.scores[chosen, None] - cells.scores).abs() > SCORE_TOLERANCE
        differences.append(gaps.masked_fill(apart, torch.inf).amin(1))
    return torch.cat(differences)
