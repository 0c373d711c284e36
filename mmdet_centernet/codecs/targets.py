"""What the network is taught about a batch.

Legend: B images, C classes, N objects in the batch, P listed cells, H x W map. Units
are cells of the map; x stands before y.
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
    """The points of a batch that a heatmap learns, as a list, N long.

    A list instead of maps: two objects whose centres share a cell both keep their size
    and offset (as in the official implementation), and no map has to be written.

    Attributes:
        images: (N,) int64 image of the batch.
        labels: (N,) int64 class.
        centers: (N, 2) int64 cell of the point.
        offsets: (N, 2) point minus its cell, in [0, 1).
        radii: (N,) int64 radius of the Gaussian; -1 where there is no object.
        valid: (N,) bool. Points that cannot be learned keep their row, so that the
            length of the list is known without asking the device.
        ignored: (B, H, W) bool cells that are no negatives, or None.
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
        """(N,) bool, rows that teach what is read at the points."""
        return self.valid


@dataclass(frozen=True)
class CenterTargets(PointTargets):
    """The objects of a batch, N long; each is the point in the middle of its box.

    Attributes:
        sizes: (N, 2) width and height.
        dropped: (N,) bool, boxes without a finite, positive area on the map.
        mislabeled: (N,) bool, labels outside [0, C). What else is not valid was left
            out by official clipping.
        only_heat: (N,) bool objects that teach the heatmap alone; None for none.
    """

    sizes: Tensor
    dropped: Tensor
    mislabeled: Tensor
    only_heat: Tensor | None = None

    @property
    def supervised(self) -> Tensor:
        """(N,) bool, objects that teach size, offset and properties."""
        return self.valid if self.only_heat is None else self.valid & ~self.only_heat


class Heat(NamedTuple):
    """The Gaussians of a batch, cell by cell; everywhere else the heat is 0.

    Attributes:
        cells: (P,) int64 positions in the flattened (B, C, H, W) heatmap. Where
            Gaussians overlap a cell is listed repeatedly, and its highest value counts.
        values: (P,) float32 in [0, 1], exactly 1 at centres.
        num_peaks: 0-dim, number of cells that hold a centre.
    """

    cells: Tensor
    values: Tensor
    num_peaks: Tensor


def cover(*point_sets: PointTargets) -> list[GaussianCells]:
    """List the cells under all Gaussians.

    How many there are decides the length of lists, so the host has to know: that is
    read from the device, once for all sets. Nothing else of a batch is.

    Args:
        point_sets: Points of one or several heatmaps.

    Returns:
        The cells of each.
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
    """Read 0-dim tensors from the device, all at once."""
    return torch.stack(list(counts)).tolist()


def list_heat(targets: PointTargets, covered: GaussianCells | None = None) -> Heat:
    """Splat a Gaussian for every point (paper, section 3).

    Args:
        targets: The points.
        covered: The cells under their Gaussians, if they are known.

    Returns:
        Heat: P is the area of the Gaussians.
    """
    covered = cover(targets)[0] if covered is None else covered
    height, width = targets.shape[2:]
    planes = targets.images * targets.shape[1] + targets.labels
    cells = (planes[covered.objects] * height + covered.ys) * width + covered.xs
    xs, ys = targets.centers.unbind(1)
    peaks = torch.where(targets.valid, (planes * height + ys) * width + xs, -1)
    return Heat(cells, covered.values, _count_distinct(peaks))


def paint_heatmap(targets: PointTargets) -> Tensor:
    """The Gaussians as a map; overlaps of a class keep the higher value.

    Args:
        targets: The points.

    Returns:
        (B, C, H, W) float32, exactly 1 in the cells that hold a centre.
    """
    heat = list_heat(targets)
    heatmap = torch.zeros(targets.shape, device=targets.centers.device)
    heatmap.view(-1).scatter_reduce_(0, heat.cells, heat.values, 'amax')
    return heatmap


def _count_distinct(numbers: Tensor) -> Tensor:
    """How many different numbers there are, leaving out negative ones.

    Unlike ``torch.unique`` this asks the device for nothing.
    """
    ordered = numbers.sort().values
    is_new = ordered.diff(prepend=ordered.new_full((1,), -1)) > 0
    return is_new.sum()
