"""Compares the detections of an exported graph with the maps of the detector.

Detections are not compared rank by rank, because rounding errors decide the order of
nearly equal scores and the choice between neighboring cells. Instead, the check looks
up each detection in the detector's maps. The error of a missing peak is the difference
between its score and that of the detection listed instead.

Legend: K detections, C classes, H x W map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_centernet.codecs import CenterCoder, Detections
from mmdet_centernet.functional.peaks import top_peaks

BOX_TOLERANCE = 0.01
"""Pixels."""
SCORE_TOLERANCE = 1e-4
PROPERTY_TOLERANCE = 1e-3
"""Relative to 1 plus the magnitude of the value."""
TIED_JOINTS = 0.01
"""Share of keypoint values that may differ: rounding errors decide between peaks at
equal distance."""


class Difference(NamedTuple):
    """Largest differences between detections and the detector's maps.

    Attributes:
        boxes: Pixels, over the four coordinates.
        scores: Change of scores that would make the detections correct.
        properties: Error of a property, divided by 1 plus the magnitude of its value.
    """

    boxes: float
    scores: float
    properties: float

    @property
    def small(self) -> bool:
        """Whether all are within their tolerance; False for nan."""
        return (
            self.boxes <= BOX_TOLERANCE
            and self.scores <= SCORE_TOLERANCE
            and self.properties <= PROPERTY_TOLERANCE
        )


@torch.no_grad()
def reference_maps(
    detector: nn.Module, inputs: Tensor, *, flip: bool
) -> dict[str, Tensor]:
    """Computes the maps of the detector in torch.

    Args:
        detector: Detector with a ``CTDetHead``.
        inputs: (B, 3, H, W) output of the data preprocessor.
        flip: Average with the flipped image.

    Returns:
        (B, D, H, W) maps of the last stack by name.
    """
    head: Any = detector.bbox_head
    maps = head.name_maps(detector(inputs, mode='tensor'))
    if not flip:
        return maps
    flipped = head.name_maps(detector(inputs.flip(-1), mode='tensor'))
    return head.coder.merge_flipped(maps, flipped)


def compare(
    found: Detections,
    values: Mapping[str, Tensor],
    maps: Mapping[str, Tensor],
    coder: CenterCoder,
) -> Difference:
    """Compares detections of the graph with the detector's maps.

    Args:
        found: K detections of B images.
        values: (B, K, row_shape...) property values by key.
        maps: (B, D, H, W) by name.
        coder: Coder of the head.

    Returns:
        The largest differences.
    """
    differences = torch.stack(
        [
            _compare_image(
                Detections(*(one[i] for one in found)),
                {key: one[i] for key, one in values.items()},
                {name: one[i : i + 1] for name, one in maps.items()},
                coder,
            )
            for i in range(len(found.scores))
        ]
    )
    # Unlike Python's max, amax keeps a nan.
    return Difference(*differences.amax(0).tolist())


def _compare_image(
    found: Detections,
    values: Mapping[str, Tensor],
    maps: Mapping[str, Tensor],
    coder: CenterCoder,
) -> Tensor:
    """Computes the differences of boxes, scores and properties of an image: (3,)."""
    heatmap, kernel = maps['heatmap'], coder.kernel
    # Detections of score 0 are padding.
    is_real = found.scores != 0
    labels, shown = found.labels[is_real], found.boxes[is_real]
    gaps, cells = (shown[:, None] - _boxes_of_cells(maps, coder)).abs().amax(-1).min(1)
    scores = heatmap[0].flatten(1).sigmoid()  # (C, H * W)
    around = F.unfold(scores.view_as(heatmap)[0, :, None], kernel, padding=kernel // 2)
    hottest = around.amax(1)
    listed = torch.zeros_like(scores, dtype=torch.bool)
    listed[labels, cells] = True
    at_cells = scores[labels, cells]
    faults = [
        found.scores[is_real] - at_cells,
        hottest[labels, cells] - at_cells,
        found.scores.diff().clamp(min=0),  # scores have to fall
        _missing(found, heatmap, listed, around, kernel),
    ]
    zero = shown.new_zeros(1)
    shown_values = {key: one[is_real] for key, one in values.items()}
    return torch.stack(
        [
            torch.cat([gaps, zero]).max(),
            torch.cat([*faults, zero]).abs().max(),
            torch.cat(
                [*_property_errors(shown_values, cells, maps, coder), zero]
            ).max(),
        ]
    )


def _property_errors(
    values: Mapping[str, Tensor],
    cells: Tensor,
    maps: Mapping[str, Tensor],
    coder: CenterCoder,
) -> list[Tensor]:
    """Computes the relative errors of properties at (n,) cells: (1,) each."""
    if not len(cells):
        return []
    _, expected = coder.decode_at(maps, cells[None])
    snapped = {points.keypoints for points in coder.point_sets.values()}
    errors = []
    for name, prop in coder.properties.items():
        (truth,) = expected[prop.key]
        sizes = 1 + truth.reshape(len(truth), -1).abs().amax(dim=1)
        error = prop.error(values[prop.key], truth) / sizes
        worst = error.nanquantile(1 - TIED_JOINTS) if name in snapped else error.max()
        errors.append(worst.reshape(1))
    return errors


def _boxes_of_cells(maps: Mapping[str, Tensor], coder: CenterCoder) -> Tensor:
    """Decodes the box of every cell: (H * W, 4)."""
    cells = torch.arange(maps['heatmap'][0, 0].numel())
    boxes, _ = replace(coder, properties={}, point_sets={}).decode_at(maps, cells[None])
    return boxes[0]


def _missing(
    found: Detections, heatmap: Tensor, listed: Tensor, around: Tensor, kernel: int
) -> Tensor:
    """Computes by how much scores of missing peaks exceed their replacement: (peaks,).

    The replacement is the last detection or a neighboring cell.

    Args:
        found: Detections of one image.
        heatmap: (1, C, H, W) logits.
        listed: (C, H * W) bool, cells with a detection.
        around: (C, kernel^2, H * W) scores of the neighborhood of each cell.
        kernel: Odd side of the neighborhood.
    """
    peaks = top_peaks(heatmap, len(found.scores), kernel)
    real = peaks.logits[0] > -torch.inf
    labels, cells = peaks.labels[0, real], peaks.positions[0, real]
    absent = ~listed[labels, cells]
    neighborhood = around[labels[absent], :, cells[absent]].sort(dim=1).values
    neighborhood = F.pad(neighborhood, (1, 0))  # for a neighborhood of one cell
    alternative = neighborhood[:, -2].maximum(found.scores[-1])
    return (neighborhood[:, -1] - alternative).clamp(min=0)
