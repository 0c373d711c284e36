"""Radius of an object's Gaussian, and the cells that it covers.

Legend: N objects, P covered cells, H x W map. Sizes and centers are in cells of the
map, x before y.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SIGMAS_PER_DIAMETER = 6
"""A Gaussian is cut off three standard deviations from its center."""


def gaussian_radius(sizes: Tensor, min_overlap: float, *, corrected: bool) -> Tensor:
    """Computes how far both corners of a box may move before its IoU is too low.

    CornerNet (arXiv 1808.01244, section 3.2) defines the radius as the largest shift
    ``r`` for which the moved box overlaps the true one by ``min_overlap``. It is the
    smallest solution of three quadratic equations: one corner moves in and one out,
    both move in, both move out. Moving both in loses most overlap, so that its solution
    is always the smallest.

    The published code takes the wrong root of the first two equations and does not
    divide by the leading coefficient in the last two. The smallest result is then
    always that of moving both out. All published weights were trained with those radii.

    Args:
        sizes: (N, 2) width and height of the boxes in cells, positive.
        min_overlap: The lowest IoU allowed, between 0 and 1.
        corrected: Use the correct solutions instead of the published ones.

    Returns:
        (N,) float64 radii in cells, not rounded.
    """
    total = sizes.double().sum(dim=1)
    lost = sizes.double().prod(dim=1) * (1 - min_overlap)
    if corrected:
        return (total - (total**2 - 4 * lost).clamp(min=0).sqrt()) / 4
    kept = min_overlap * total
    return (kept**2 + 4 * min_overlap * lost).sqrt() - kept


class GaussianCells(NamedTuple):
    """The cells that N Gaussians cover, one entry per cell and object.

    Attributes:
        objects: (P,) row of the object.
        xs: (P,) column of the cell.
        ys: (P,) row of the cell.
        values: (P,) float32 value of the object's Gaussian in the cell; 1 at its
            center.
    """

    objects: Tensor
    xs: Tensor
    ys: Tensor
    values: Tensor


def count_cells(centers: Tensor, radii: Tensor, feat_shape: tuple[int, int]) -> Tensor:
    """Counts the entries of :func:`gaussian_cells`.

    Args:
        centers: (N, 2) integer x, y inside the map.
        radii: (N,) integer radii; a negative one covers nothing.
        feat_shape: H, W.

    Returns:
        0-dim, on the device.
    """
    _, spans = _windows(centers, radii, feat_shape)
    return spans.prod(dim=1).sum()


def gaussian_cells(
    centers: Tensor,
    radii: Tensor,
    feat_shape: tuple[int, int],
    num_cells: int | None = None,
) -> GaussianCells:
    """Lists the cells under each Gaussian, cut off at its radius and at the border.

    Args:
        centers: (N, 2) integer x, y inside the map.
        radii: (N,) integer radii; a negative one covers nothing.
        feat_shape: H, W.
        num_cells: Result of :func:`count_cells` on the host; without it the function
            syncs to read it.

    Returns:
        GaussianCells: P is the covered area.
    """
    first, spans = _windows(centers, radii, feat_shape)
    areas = spans.prod(dim=1)  # (N,)
    objects = torch.repeat_interleave(areas, output_size=num_cells)  # (P,)
    starts = areas.cumsum(0) - areas  # (N,)
    # Number of each entry within the window of its object, row by row.
    local = torch.arange(len(objects), device=areas.device) - starts[objects]  # (P,)
    columns = spans[objects, 0]
    xs = first[objects, 0] + local % columns
    ys = first[objects, 1] + local // columns
    dx, dy = xs - centers[objects, 0], ys - centers[objects, 1]
    return GaussianCells(objects, xs, ys, _gaussian(dx, dy, radii[objects]))


def _windows(
    centers: Tensor, radii: Tensor, feat_shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Returns first cell and extent of the windows of Gaussians, both (N, 2)."""
    first = (centers - radii[:, None]).clamp(min=0)
    height, width = feat_shape
    x, y = (centers + radii[:, None]).unbind(1)
    last = torch.stack([x.clamp(max=width - 1), y.clamp(max=height - 1)], dim=1)
    return first, (last - first + 1).clamp(min=0)


def _gaussian(dx: Tensor, dy: Tensor, radii: Tensor) -> Tensor:
    """Evaluates Gaussians of given radii (dx, dy) cells from their centers, (P,)."""
    sigma = (2 * radii + 1).float() / SIGMAS_PER_DIAMETER
    return torch.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
