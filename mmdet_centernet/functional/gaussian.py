"""How wide is the peak of an object, and how is it painted.

Legend: N objects, P painted cells, H x W map. Sizes and centres are in cells of the
map, x before y.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SIGMAS_PER_DIAMETER = 6
"""A Gaussian is cut off three standard deviations from its centre."""


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
            centre, 0 in cells that the object does not reach.
    """

    objects: Tensor
    xs: Tensor
    ys: Tensor
    values: Tensor


def gaussian_cells(
    centers: Tensor, radii: Tensor, feat_shape: tuple[int, int], max_radius: int
) -> GaussianCells:
    """List the cells under each Gaussian, cut off at its radius and at the border.

    The number of cells depends on the radii. The host knows them on a CPU, and the list
    holds just the covered cells; on an accelerator reading them would stall it, and
    every object gets a window of ``max_radius`` with zeros outside its own radius.

    Args:
        centers: (N, 2) integer x, y inside the map.
        radii: (N,) integer radii, at most ``max_radius``; a negative one covers
            nothing.
        feat_shape: H, W.
        max_radius: An upper bound of the radii that the host knows.

    Returns:
        GaussianCells: P is the covered area on a CPU.
    """
    windows = _exact_windows if _host_knows(radii) else _equal_windows
    objects, xs, ys = windows(centers, radii, feat_shape, max_radius)
    dx, dy = xs - centers[objects, 0], ys - centers[objects, 1]
    return GaussianCells(objects, xs, ys, _heights(dx, dy, radii[objects]))


def _host_knows(tensor: Tensor) -> bool:
    """Whether the values of a tensor can be read without waiting for a device."""
    return tensor.device.type == 'cpu'


def _exact_windows(
    centers: Tensor, radii: Tensor, feat_shape: tuple[int, int], _: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Object, column and row of every cell within an object's radius."""
    reach = radii[:, None]
    first = (centers - reach).clamp(min=0)
    last = torch.minimum(centers + reach, centers.new_tensor(feat_shape[::-1]) - 1)
    spans = (last - first + 1).clamp(min=0)
    areas = spans.prod(dim=1)
    objects = torch.repeat_interleave(areas)
    starts = areas.cumsum(0) - areas
    local = torch.arange(len(objects)) - starts[objects]
    columns = spans[objects, 0]
    xs = first[objects, 0] + local % columns
    return objects, xs, first[objects, 1] + local // columns


def _equal_windows(
    centers: Tensor, _: Tensor, feat_shape: tuple[int, int], max_radius: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The same with one window size for all, shifted to lie inside the map."""
    height, width = feat_shape
    columns = min(2 * max_radius + 1, width)
    rows = min(2 * max_radius + 1, height)
    left = (centers[:, 0] - max_radius).clamp(0, width - columns)
    top = (centers[:, 1] - max_radius).clamp(0, height - rows)
    cells = torch.arange(len(centers) * rows * columns, device=centers.device)
    objects, local = cells // (rows * columns), cells % (rows * columns)
    return objects, left[objects] + local % columns, top[objects] + local // columns


def _heights(dx: Tensor, dy: Tensor, radii: Tensor) -> Tensor:
    """Height of a Gaussian of the given radius (dx, dy) cells from its centre."""
    sigma = (2 * radii + 1).float() / SIGMAS_PER_DIAMETER
    heights = torch.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
    inside = (dx.abs() <= radii) & (dy.abs() <= radii)
    return heights * inside
