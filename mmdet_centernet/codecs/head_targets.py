"""Targets of all output maps of the head, for one batch.

A heatmap is supervised in every cell, any other map in a list of cells: at the centers
of objects (paper) or in all covered cells (fast recipe).

Legend: B images, N points or objects in the batch, P listed cells, D channels, H x W
map. Units are cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs.joints import JointPoints
from mmdet_centernet.codecs.properties import Property
from mmdet_centernet.codecs.properties.box import OFFSET
from mmdet_centernet.codecs.targets import (
    CenterTargets,
    PointTargets,
    SparseHeatmap,
    covered_cells,
    sparse_heatmap,
)
from mmdet_centernet.functional.gaussian import GaussianCells


class HeatmapTarget(NamedTuple):
    """Points, and the heatmap with a Gaussian around each of them."""

    points: PointTargets
    heatmap: SparseHeatmap


class RegressionTarget(NamedTuple):
    """Cells of a map that are supervised, and the target of each.

    Attributes:
        images: (P,) int64 image of the batch.
        xs: (P,) int64 column of the cell.
        ys: (P,) int64 row of the cell.
        values: (P, D) float32 encoded values, 0 where the weight is 0.
        weights: (P, D) float32; those of a labeled object add up to 1 per channel.
    """

    images: Tensor
    xs: Tensor
    ys: Tensor
    values: Tensor
    weights: Tensor


class HeadTargets(NamedTuple):
    """Targets of all maps of a head; every stack has the same.

    Attributes:
        heatmaps: By the name of the map.
        regressions: By the name of the map, for all maps that are no heatmaps.
    """

    heatmaps: dict[str, HeatmapTarget]
    regressions: dict[str, RegressionTarget]


def make_head_targets(
    targets: CenterTargets,
    values: Mapping[str, Tensor],
    properties: Mapping[str, Property],
    point_sets: Mapping[str, JointPoints],
    *,
    whole_gaussian: bool,
    ignored_images: Tensor | None = None,
) -> HeadTargets:
    """Makes the targets of all maps of a head.

    Args:
        targets: The objects.
        values: (N, row_shape...) of each property by its name, in cells.
        properties: Properties that are read at centers, size and offset included.
        point_sets: Points of objects that have heatmaps of their own, by name.
        whole_gaussian: Supervise properties in all covered cells, except those whose
            own ``whole_gaussian`` is set.
        ignored_images: (B,) bool, images in which only the point sets contribute to
            the loss; None for none.

    Returns:
        Targets by the names of the maps, as in :class:`CenterCoder`.
    """
    joints = {
        name: points.make_targets(targets, values[points.keypoints])
        for name, points in point_sets.items()
    }
    if ignored_images is not None:
        targets = ignore_images(targets, ignored_images)
    of_objects, *of_joints = covered_cells(targets, *joints.values())
    regressions = object_regression_targets(
        properties,
        targets,
        values,
        whole_gaussian=whole_gaussian,
        covered=of_objects,
    )
    heatmaps = dict(heatmap=HeatmapTarget(targets, sparse_heatmap(targets, of_objects)))
    for (name, points), covered in zip(joints.items(), of_joints, strict=True):
        heatmap = sparse_heatmap(points, covered)
        heatmaps[f'{name}_heatmap'] = HeatmapTarget(points, heatmap)
        if point_sets[name].loss_offset is not None:
            offset = point_regression_target(OFFSET, points, points.points)
            regressions[f'{name}_offset'] = offset
    return HeadTargets(heatmaps, regressions)


def ignore_images(targets: CenterTargets, ignored_images: Tensor) -> CenterTargets:
    """Removes the objects of some images and ignores all of their cells.

    The official code sets a heat of 0.9999 everywhere instead, whose loss is 1e-16 of
    that of a background cell.

    Args:
        targets: The objects.
        ignored_images: (B,) bool.
    """
    kept = ~ignored_images[targets.images]  # (N,)
    num_images, _, *size = targets.shape
    ignored = ignored_images[:, None, None].expand(num_images, *size)  # (B, H, W)
    return replace(
        targets,
        radii=torch.where(kept, targets.radii, -1),
        valid=targets.valid & kept,
        ignored=ignored if targets.ignored is None else targets.ignored | ignored,
    )


def point_regression_target(
    prop: Property, targets: PointTargets, values: Tensor
) -> RegressionTarget:
    """Supervises a property in the cell of each point only.

    Args:
        prop: The property.
        targets: The points.
        values: (N, row_shape...) of the points, in cells.
    """
    return _regression_target(prop, targets, values, assign_center_cells(targets))


def object_regression_targets(
    properties: Mapping[str, Property],
    targets: CenterTargets,
    values: Mapping[str, Tensor],
    *,
    whole_gaussian: bool,
    covered: GaussianCells | None = None,
) -> dict[str, RegressionTarget]:
    """Supervises properties at the centers of objects or in all covered cells.

    Args:
        properties: By the name of their map.
        targets: The objects.
        values: (N, row_shape...) by the name of the map, in cells.
        whole_gaussian: For properties whose own ``whole_gaussian`` is None.
        covered: Result of :func:`covered_cells`, if already computed.
    """
    is_wide = {
        name: whole_gaussian if prop.whole_gaussian is None else prop.whole_gaussian
        for name, prop in properties.items()
    }
    assigned = {
        wide: assign_covered_cells(targets, covered)
        if wide
        else assign_center_cells(targets)
        for wide in set(is_wide.values())
    }
    return {
        name: _regression_target(prop, targets, values[name], assigned[is_wide[name]])
        for name, prop in properties.items()
    }


class AssignedCells(NamedTuple):
    """Cells, and the object that each is assigned to.

    Attributes:
        objects: (P,) int64 row of the targets.
        xs: (P,) int64 column of the cell.
        ys: (P,) int64 row of the cell.
        weights: (P,) float32; those of an object add up to 1. 0 in cells that are
            assigned to another object, and for unsupervised objects, which stay
            listed: leaving them out would sync with the device.
    """

    objects: Tensor
    xs: Tensor
    ys: Tensor
    weights: Tensor


def assign_center_cells(targets: PointTargets) -> AssignedCells:
    """Assigns to each point its own cell only, as in the paper.

    Args:
        targets: The points.

    Returns:
        P = N cells; a cell that holds several points is listed for each.
    """
    xs, ys = targets.centers.unbind(1)
    objects = torch.arange(len(xs), device=xs.device)
    return AssignedCells(objects, xs, ys, targets.supervised.float())


def assign_covered_cells(
    targets: CenterTargets, covered: GaussianCells | None = None
) -> AssignedCells:
    """Assigns to each object its covered cells, weighted by the Gaussian.

    As in TTFNet (arXiv 1909.00700). Where Gaussians overlap, of any class, the cell is
    assigned to the smallest object, which has the fewest cells.

    Args:
        targets: The objects.
        covered: Result of :func:`covered_cells`, if already computed.

    Returns:
        P cells, the area of all Gaussians.
    """
    num_images, _, height, width = targets.shape
    objects, xs, ys, heights = covered_cells(targets)[0] if covered is None else covered
    rows = targets.images[objects] * height + ys  # (P,) in (B, H)
    positions = rows * width + xs  # (P,) in (B, H, W)
    areas = targets.sizes.prod(dim=1)[objects]  # (P,)
    supervised = targets.supervised[objects]
    areas = torch.where(supervised, areas, torch.inf)
    smallest = areas.new_full((num_images * height * width,), torch.inf)
    smallest.scatter_reduce_(0, positions, areas, 'amin')  # (B * H * W,)
    heights = torch.where(supervised & (areas == smallest[positions]), heights, 0.0)
    totals = heights.new_zeros(len(targets.radii)).index_add_(0, objects, heights)
    nonzero = torch.where(totals > 0, totals, 1.0)  # (N,)
    return AssignedCells(objects, xs, ys, heights / nonzero[objects])


def _regression_target(
    prop: Property, targets: PointTargets, values: Tensor, assigned: AssignedCells
) -> RegressionTarget:
    """Encodes the values of a property in the cells of its objects."""
    cells = torch.stack([assigned.xs, assigned.ys], dim=1)  # (P, 2)
    encoded = prop.encode(values[assigned.objects], cells, targets.shape[2:])  # (P, D)
    weights = torch.where(encoded.isfinite(), assigned.weights[:, None], 0.0)
    return RegressionTarget(
        images=targets.images[assigned.objects],
        xs=assigned.xs,
        ys=assigned.ys,
        values=torch.where(weights > 0, encoded, 0.0),
        weights=weights,
    )
