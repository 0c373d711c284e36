"""All that the maps of a head are taught about a batch, the same for every stack.

Legend: B images, N objects in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs.joints import JointPoints
from mmdet_centernet.codecs.map_targets import (
    MapTarget,
    object_map_targets,
    point_map_target,
)
from mmdet_centernet.codecs.properties import OffsetProperty, Property
from mmdet_centernet.codecs.targets import (
    CenterTargets,
    Heat,
    PointTargets,
    cover,
    list_heat,
)


class PointHeat(NamedTuple):
    """Points, and the Gaussians that a heatmap is taught around them."""

    targets: PointTargets
    heat: Heat


class Supervision(NamedTuple):
    """What maps are taught.

    Attributes:
        heatmaps: By the name of the map.
        cells: By the name of the map, for all maps that are no heatmaps.
    """

    heatmaps: dict[str, PointHeat]
    cells: dict[str, MapTarget]


def supervise(
    targets: CenterTargets,
    values: Mapping[str, Tensor],
    properties: Mapping[str, Property],
    point_sets: Mapping[str, JointPoints],
    *,
    whole_gaussian: bool,
    hidden: Tensor | None = None,
) -> Supervision:
    """Collect what every map of a head is taught.

    Args:
        targets: The objects.
        values: (N, row_shape...) of each property by its name, in cells.
        properties: Properties that are read at centres, size and offset included.
        point_sets: Points of objects that have heatmaps of their own, by name.
        whole_gaussian: Properties are taught under whole Gaussians.
        hidden: (B,) bool images of which point sets are taught alone; None for none.

    Returns:
        What the maps are taught. Maps are named as in :class:`CenterCoder`.
    """
    joints = {
        name: points.make_targets(targets, values[points.keypoints])
        for name, points in point_sets.items()
    }
    if hidden is not None:
        targets = hide_images(targets, hidden)
    of_objects, *of_joints = cover(targets, *joints.values())
    cells = object_map_targets(
        properties,
        targets,
        values,
        whole_gaussian=whole_gaussian,
        covered=of_objects,
    )
    heatmaps = dict(heatmap=PointHeat(targets, list_heat(targets, of_objects)))
    for (name, points), covered in zip(joints.items(), of_joints, strict=True):
        heatmaps[f'{name}_heatmap'] = PointHeat(points, list_heat(points, covered))
        if point_sets[name].loss_offset is not None:
            cells[f'{name}_offset'] = point_map_target(OFFSET, points, points.points)
    return Supervision(heatmaps, cells)


def hide_images(targets: CenterTargets, hidden: Tensor) -> CenterTargets:
    """Teach nothing about the objects of some images.

    All of their cells are ignored and their objects are none. The official code asks
    for a heat of 0.9999 everywhere, whose loss is 1e-16 of a cell of background.

    Args:
        targets: The objects.
        hidden: (B,) bool.
    """
    shown = ~hidden[targets.images]
    num_images, _, *size = targets.shape
    ignored = hidden[:, None, None].expand(num_images, *size)
    return replace(
        targets,
        radii=torch.where(shown, targets.radii, -1),
        valid=targets.valid & shown,
        ignored=ignored if targets.ignored is None else targets.ignored | ignored,
    )


OFFSET = OffsetProperty('points')
