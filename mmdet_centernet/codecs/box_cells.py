"""Which cells learn the box of which object.

Legend: N objects in the batch, P listed cells, H x W map.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs.targets import CenterTargets, PointTargets, cover
from mmdet_centernet.functional.gaussian import GaussianCells


class BoxCells(NamedTuple):
    """Cells and the objects whose size and position they learn.

    Attributes:
        objects: (P,) int64 which object of the targets.
        xs: (P,) int64 column of the cell.
        ys: (P,) int64 row of the cell.
        weights: (P,) float32; those of an object add up to 1. 0 in cells that learn
            another object, or that only keep the length of the list fixed.
    """

    objects: Tensor
    xs: Tensor
    ys: Tensor
    weights: Tensor


def center_cells(targets: PointTargets) -> BoxCells:
    """The cell of each point alone, as in the paper.

    Args:
        targets: The points.

    Returns:
        BoxCells: P = N. A cell that holds several points is listed for each.
    """
    xs, ys = targets.centers.unbind(1)
    objects = torch.arange(len(xs), device=xs.device)
    return BoxCells(objects, xs, ys, targets.supervised.float())


def surrounding_cells(
    targets: CenterTargets, covered: GaussianCells | None = None
) -> BoxCells:
    """All cells under each Gaussian, weighted by its height (arXiv 1909.00700).

    Where Gaussians overlap, of whatever class, the cell learns the smallest object,
    which has the fewest cells.

    Args:
        targets: The objects.
        covered: The cells under their Gaussians, if they are known.

    Returns:
        BoxCells: P is the area of the Gaussians.
    """
    num_images, _, height, width = targets.shape
    objects, xs, ys, heights = cover(targets)[0] if covered is None else covered
    cells = (targets.images[objects] * height + ys) * width + xs
    areas = targets.sizes.prod(dim=1)[objects]
    teaches = targets.supervised[objects]
    areas = torch.where(teaches, areas, torch.inf)
    smallest = areas.new_full((num_images * height * width,), torch.inf)
    smallest.scatter_reduce_(0, cells, areas, 'amin')
    heights = torch.where(teaches & (areas == smallest[cells]), heights, 0.0)
    totals = heights.new_zeros(len(targets.radii)).index_add_(0, objects, heights)
    nonzero = torch.where(totals > 0, totals, 1.0)
    return BoxCells(objects, xs, ys, heights / nonzero[objects])
