"""Decodes output maps to detections and their properties.

Legend: B images, C classes, D channels, H x W map, K detections per image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor

from mmdet_centernet.codecs.joints import JointPoints
from mmdet_centernet.codecs.properties import KeypointsProperty, Property
from mmdet_centernet.codecs.properties.box import OFFSET, SIZE
from mmdet_centernet.functional.flip import mean_logit
from mmdet_centernet.functional.peaks import cells_at, gather_cells, top_peaks

Maps = Mapping[str, Tensor]
"""Outputs of the head by name, each (B, D, H, W): ``heatmap``, ``wh``, ``offset``,
properties, and ``NAME_heatmap`` and ``NAME_offset`` of each additional point set."""


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


@dataclass(frozen=True)
class CenterCoder:
    """Decodes detections from the maps (paper, section 3.1).

    Attributes:
        stride: Pixels per cell.
        topk: Detections per image.
        kernel: Odd side of a peak's neighborhood, in cells.
        properties: Properties besides the box, by the name of the map.
        point_sets: Points of objects that have heatmaps of their own, by name.
    """

    stride: int
    topk: int
    kernel: int
    properties: Mapping[str, Property] = field(default_factory=dict)
    point_sets: Mapping[str, JointPoints] = field(default_factory=dict)

    def decode(self, maps: Maps) -> tuple[Detections, dict[str, Tensor]]:
        """Decodes boxes and properties at the highest peaks.

        Args:
            maps: Outputs of the head.

        Returns:
            K = min(topk, C * H * W) detections, and (B, K, row_shape...) values by the
            key of the property, in pixels of the network input. Computed in float32 or
            wider.
        """
        peaks = top_peaks(maps['heatmap'], self.topk, self.kernel)
        boxes, values = self.decode_at(maps, peaks.positions)
        scores = peaks.logits.float().sigmoid()  # (B, K)
        return Detections(boxes, scores, peaks.labels), values

    def decode_at(
        self, maps: Maps, positions: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Decodes boxes and properties in given cells.

        Args:
            maps: Outputs of the head.
            positions: (B, K) flattened cells, ``y * W + x``.

        Returns:
            (B, K, 4) boxes, and (B, K, row_shape...) values by the key of the property,
            in pixels of the network input.
        """
        cells = cells_at(positions, maps['heatmap'].shape[-1])  # (B, K, 2)

        def decode(name: str, prop: Property) -> Tensor:
            encoded = gather_cells(maps[name], positions).float()  # (B, K, D)
            return prop.decode(encoded, cells)  # (B, K, row_shape...)

        centers, sizes = decode('offset', OFFSET), decode('wh', SIZE)
        boxes = torch.cat([centers - sizes / 2, centers + sizes / 2], dim=-1)
        values = {name: decode(name, prop) for name, prop in self.properties.items()}
        for name, points in self.point_sets.items():
            values[points.keypoints] = points.refine(
                values[points.keypoints],
                boxes,
                maps[f'{name}_heatmap'],
                maps.get(f'{name}_offset'),
            )
        to_pixels = scale_matrix(self.stride, boxes.device)
        return boxes * self.stride, {
            prop.key: prop.transform(values[name], to_pixels)
            for name, prop in self.properties.items()
        }

    def merge_flipped(self, maps: Maps, flipped: Maps) -> dict[str, Tensor]:
        """Averages the maps of images with those of the flipped images.

        Heatmaps are averaged as probabilities. Offsets are not averaged, since the same
        object may lie in another cell of the flipped image.

        Args:
            maps: Maps of the images.
            flipped: Maps of the horizontally flipped images, padding included.

        Returns:
            The maps, in the geometry of the images.
        """
        unflipped = {name: one.flip(-1) for name, one in flipped.items()}
        merged = dict(heatmap=mean_logit(maps['heatmap'], unflipped['heatmap']))
        properties = dict(wh=SIZE, offset=OFFSET, **self.properties)
        for name, prop in properties.items():
            merged[name] = prop.merge_flipped(maps[name], unflipped[name])
        for name, points in self.point_sets.items():
            heatmap, offset = f'{name}_heatmap', f'{name}_offset'
            keypoints = cast(KeypointsProperty, self.properties[points.keypoints])
            heat = points.flip_heatmap(unflipped[heatmap], keypoints)
            merged[heatmap] = mean_logit(maps[heatmap], heat)
            if points.loss_offset is not None:
                merged[offset] = OFFSET.merge_flipped(maps[offset], unflipped[offset])
        return merged


def decode_centers(
    heatmap: Tensor,
    wh: Tensor,
    offset: Tensor,
    *,
    stride: int,
    topk: int,
    kernel: int,
) -> Detections:
    """Decodes boxes only (paper, section 3.1).

    Args:
        heatmap: (B, C, H, W) logits.
        wh: (B, 2, H, W) width and height in cells.
        offset: (B, 2, H, W) center minus its cell, in cells.
        stride: Pixels per cell.
        topk: Detections per image.
        kernel: Odd side of a peak's neighborhood, in cells.

    Returns:
        K = min(topk, C * H * W) detections, computed in float32 or wider.
    """
    coder = CenterCoder(stride, topk, kernel)
    detections, _ = coder.decode(dict(heatmap=heatmap, wh=wh, offset=offset))
    return detections


def scale_matrix(factor: float, device: torch.device) -> Tensor:
    """Returns the (3, 3) scaling by a factor, created on the device."""
    matrix = torch.eye(3, device=device) * factor
    matrix[2, 2] = 1
    return matrix
