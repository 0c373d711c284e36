"""What the network is taught about a batch.

Legend: B images, C classes, N objects in the batch, P listed cells, H x W map. Units
are cells of the map; x stands before y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.functional.gaussian import gaussian_cells


@dataclass(frozen=True)
class CenterTargets:
    """The objects of a batch as a list, N long.

    A list instead of maps: two objects whose centres share a cell both keep their size
    and offset (as in the official implementation), and no map has to be written.

    Attributes:
        images: (N,) int64 image of the batch.
        labels: (N,) int64 class.
        centers: (N, 2) int64 cell of the centre.
        sizes: (N, 2) width and height.
        offsets: (N, 2) centre minus its cell, in [0, 1).
        radii: (N,) int64 radius of the Gaussian; -1 where there is no object.
        valid: (N,) bool. Boxes that cannot be learned keep their row, so that the
            length of the list is known without asking the device.
        dropped: (N,) bool, boxes without a finite, positive area on the map.
        mislabeled: (N,) bool, labels outside [0, C). What else is not valid was left
            out by official clipping.
        ignored: (B, H, W) bool cells that are no negatives, or None.
        shape: B, C, H, W.
        max_radius: Upper bound of the radii.
    """

    images: Tensor
    labels: Tensor
    centers: Tensor
    sizes: Tensor
    offsets: Tensor
    radii: Tensor
    valid: Tensor
    dropped: Tensor
    mislabeled: Tensor
    ignored: Tensor | None
    shape: tuple[int, int, int, int]
    max_radius: int


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


def list_heat(targets: CenterTargets) -> Heat:
    """Splat a Gaussian for every object (paper, section 3).

    Args:
        targets: The objects.

    Returns:
        Heat: On a CPU P is the area of the Gaussians.
    """
    height, width = targets.shape[2:]
    planes = targets.images * targets.shape[1] + targets.labels
    covered = gaussian_cells(
        targets.centers, targets.radii, (height, width), targets.max_radius
    )
    cells = (planes[covered.objects] * height + covered.ys) * width + covered.xs
    xs, ys = targets.centers.unbind(1)
    peaks = torch.where(targets.valid, (planes * height + ys) * width + xs, -1)
    return Heat(cells, covered.values, _count_distinct(peaks))


def paint_heatmap(targets: CenterTargets) -> Tensor:
    """The Gaussians as a map; overlaps of a class keep the higher value.

    Args:
        targets: The objects.

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
