"""Objects and points of a batch as targets, and the heatmaps that they make.

Legend: B images, C classes, N objects in the batch, P listed cells, H x W map. Units
are cells of the map; x comes before y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.functional.gaussian import (
    GaussianCells,
    count_cells,
    gaussian_cells,
)


@dataclass(frozen=True)
class PointTargets:
    """The points of a batch that supervise one heatmap, as a list of length N.

    The list keeps size and offset of two objects whose centers share a cell, as the
    official implementation does, and needs no dense maps.

    Attributes:
        images: (N,) int64 image of the batch.
        labels: (N,) int64 class.
        centers: (N, 2) int64 cell of the point.
        offsets: (N, 2) point minus its cell, in [0, 1).
        radii: (N,) int64 radius of the Gaussian; -1 where there is no object.
        valid: (N,) bool. Points that cannot be learned keep their row: a fixed length
            avoids a device sync.
        ignored: (B, H, W) bool cells that are not negatives, or None.
        shape: B, C, H, W.
    """

    images: Tensor
    labels: Tensor
    centers: Tensor
    offsets: Tensor
    radii: Tensor
    valid: Tensor
    ignored: Tensor | None
    shape: tuple[int, int, int, int]

    @property
    def points(self) -> Tensor:
        """(N, 2) x, y of the points in cells."""
        return self.centers + self.offsets

    @property
    def supervised(self) -> Tensor:
        """(N,) bool, points that supervise other maps than the heatmap."""
        return self.valid


@dataclass(frozen=True)
class CenterTargets(PointTargets):
    """The objects of a batch, each as the center of its box.

    Attributes:
        sizes: (N, 2) width and height.
        dropped: (N,) bool, boxes without a finite, positive area on the map.
        mislabeled: (N,) bool, labels outside [0, C). Official clipping accounts for
            all other rows that are not valid.
        heatmap_only: (N,) bool, objects that supervise the heatmap only; None for none.
    """

    sizes: Tensor
    dropped: Tensor
    mislabeled: Tensor
    heatmap_only: Tensor | None = None

    @property
    def supervised(self) -> Tensor:
        """(N,) bool, objects that supervise size, offset and properties."""
        if self.heatmap_only is None:
            return self.valid
        return self.valid & ~self.heatmap_only


class SparseHeatmap(NamedTuple):
    """A heatmap target that lists the cells under Gaussians; all others are 0.

    Attributes:
        positions: (P,) int64, in the flattened (B, C, H, W) heatmap. Where
            Gaussians overlap, a cell is listed repeatedly; its highest value counts.
        values: (P,) float32 in [0, 1], exactly 1 at centers.
        num_peaks: 0-dim, number of cells that hold a center.
    """

    positions: Tensor
    values: Tensor
    num_peaks: Tensor


def covered_cells(*point_sets: PointTargets) -> list[GaussianCells]:
    """Lists the cells under all Gaussians.

    The host has to know how long the lists are. All sets share one device sync, the
    only one of a batch.

    Args:
        point_sets: Points of one or several heatmaps.

    Returns:
        The cells of each set.
    """
    counts = [
        count_cells(points.centers, points.radii, points.shape[2:])
        for points in point_sets
    ]
    return [
        gaussian_cells(points.centers, points.radii, points.shape[2:], num_cells)
        for points, num_cells in zip(point_sets, read_back(counts), strict=True)
    ]


def read_back(counts: Sequence[Tensor]) -> list[int]:
    """Copies 0-dim tensors to the host in one sync."""
    return torch.stack(list(counts)).tolist()


def sparse_heatmap(
    targets: PointTargets, covered: GaussianCells | None = None
) -> SparseHeatmap:
    """Splats a Gaussian for every point (paper, section 3).

    Args:
        targets: The points.
        covered: Result of :func:`covered_cells`, if already computed.

    Returns:
        P cells, the area of all Gaussians.
    """
    covered = covered_cells(targets)[0] if covered is None else covered
    height, width = targets.shape[2:]
    planes = targets.images * targets.shape[1] + targets.labels  # (N,) in (B, C)
    rows = planes[covered.objects] * height + covered.ys  # (P,) in (B, C, H)
    positions = rows * width + covered.xs  # (P,) in (B, C, H, W)
    xs, ys = targets.centers.unbind(1)
    peaks = torch.where(targets.valid, (planes * height + ys) * width + xs, -1)  # (N,)
    return SparseHeatmap(positions, covered.values, _count_distinct(peaks))


def paint_heatmap(targets: PointTargets) -> Tensor:
    """Paints the Gaussians into a dense map; overlaps keep the higher value.

    Args:
        targets: The points.

    Returns:
        (B, C, H, W) float32, exactly 1 in the cells that hold a center.
    """
    heatmap = torch.zeros(targets.shape, device=targets.centers.device)
    positions, values, _ = sparse_heatmap(targets)
    heatmap.view(-1).scatter_reduce_(0, positions, values, 'amax')
    return heatmap


def paint_targets(targets: CenterTargets) -> dict[str, Tensor]:
    """Paints dense target maps for visualization, named as in ``CenterNetHead``.

    The maps keep only one of several objects that share a cell. Training uses lists.

    Args:
        targets: The objects.

    Returns:
        ``center_heatmap_target`` (B, C, H, W), ``wh_target``, ``offset_target`` and
        ``wh_offset_target_weight`` (B, 2, H, W).
    """
    num_images, _, height, width = targets.shape
    heatmap = paint_heatmap(targets)
    objects = targets.valid.nonzero().squeeze(1)
    xs, ys = targets.centers[objects].unbind(1)
    at_centers = targets.images[objects], slice(None), ys, xs
    wh, offset, weight = heatmap.new_zeros(3, num_images, 2, height, width)
    wh[at_centers] = targets.sizes[objects]
    offset[at_centers] = targets.offsets[objects]
    weight[at_centers] = 1.0
    return dict(
        center_heatmap_target=heatmap,
        wh_target=wh,
        offset_target=offset,
        wh_offset_target_weight=weight,
    )


def _count_distinct(numbers: Tensor) -> Tensor:
    """Counts the different numbers that are not negative.

    Unlike ``torch.unique`` this needs no device sync.
    """
    ordered = numbers.sort().values
    is_new = ordered.diff(prepend=ordered.new_full((1,), -1)) > 0
    return is_new.sum()
