"""How wide is the peak of an object, and how is it painted.

Legend: N objects, P painted cells, H x W map. Sizes and centers are in cells of the
map, x before y.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SIGMAS_PER_DIAMETER = 6
"""A Gaussian is cut off three standard deviations from its center."""


def gaussian_radius(sizes: Tensor, min_overlap: float, *, corrected: bool) -> Tensor:
    """How far both corners of a box may move before its IoU is too low.

    CornerNet (arXiv 1808.01244, section 3.2) asks for the largest shift ``r`` for which
    the moved box overlaps the true one by ``min_overlap``: the smallest solution of
    three quadratic equations, for corners that move one in and one out, both in, and
    both out. Both in costs most overlap, so its solution always is the smallest.

    The published code takes the wrong root of the first two equations and forgets to
    divide by the leading coefficient in the last two. The smallest result then always
    is that of both out. All published weights were trained on those radii.

    Args:
        sizes: (N, 2) width and height of the boxes in cells, positive.
        min_overlap: The lowest IoU allowed, between 0 and 1.
        corrected: Solve the equations properly instead of as published.

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
    """The cells that N Gaussians cover, one entry a cell and object.

    Attributes:
        objects: (P,) which object the cell belongs to.
        xs: (P,) column of the cell.
        ys: (P,) row of the cell.
        values: (P,) float32 height of the object's Gaussian in the cell: 1 at its
            center.
    """

    objects: Tensor
    xs: Tensor
    ys: Tensor
    values: Tensor


def count_cells(centers: Tensor, radii: Tensor, feat_shape: tuple[int, int]) -> Tensor:
    """How many entries :func:`gaussian_cells` has.

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
    """List the cells under each Gaussian, cut off at its radius and at the border.

    Args:
        centers: (N, 2) integer x, y inside the map.
        radii: (N,) integer radii; a negative one covers nothing.
        feat_shape: H, W.
        num_cells: Result of :func:`count_cells`, if the host knows it; else it is read
            from the device.

    Returns:
        GaussianCells: P is the covered area.
    """
    first, spans = _windows(centers, radii, feat_shape)
    areas = spans.prod(dim=1)
    objects = torch.repeat_interleave(areas, output_size=num_cells)  # (P,)
    starts = areas.cumsum(0) - areas
    local = torch.arange(len(objects), device=areas.device) - starts[objects]
    columns = spans[objects, 0]
    xs = first[objects, 0] + local % columns
    ys = first[objects, 1] + local // columns
    dx, dy = xs - centers[objects, 0], ys - centers[objects, 1]
    return GaussianCells(objects, xs, ys, _heights(dx, dy, radii[objects]))


def _windows(
    centers: Tensor, radii: Tensor, feat_shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """First cell and extent of the square around each Gaussian, on the map: (N, 2)."""
    reach = radii[:, None]
    first = (centers - reach).clamp(min=0)
    height, width = feat_shape
    x, y = (centers + reach).unbind(1)
    last = torch.stack([x.clamp(max=width - 1), y.clamp(max=height - 1)], dim=1)
    return first, (last - first + 1).clamp(min=0)


def _heights(dx: Tensor, dy: Tensor, radii: Tensor) -> Tensor:
    """Height of a Gaussian of the given radius (dx, dy) cells from its center."""
    sigma = (2 * radii + 1).float() / SIGMAS_PER_DIAMETER
    return torch.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
