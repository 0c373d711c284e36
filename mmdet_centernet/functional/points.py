"""Points and vectors under affine maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def points_on_map(points: Tensor, shape: Sequence[int]) -> Tensor:
    """Tests which points lie in a cell of the map; nan does not.

    Args:
        points: (..., 2) x, y in cells.
        shape: H, W of the map.

    Returns:
        (...) bool.
    """
    (x, y), (height, width) = points.unbind(-1), shape
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def negate_x(maps: Tensor) -> Tensor:
    """Negates x of vectors: the effect of a horizontal flip.

    Args:
        maps: (B, 2 * J, H, W) x and y in turn.

    Returns:
        Same shape.
    """
    x, y = maps[:, 0::2], maps[:, 1::2]
    return torch.stack([-x, y], dim=2).flatten(1, 2)


def map_vectors(vectors: Tensor, matrices: Tensor) -> Tensor:
    """Applies the linear part of affine maps to vectors.

    Args:
        vectors: (..., N, 2) x, y.
        matrices: (..., 3, 3).

    Returns:
        Same shape and type as the vectors; computed in the wider type of both.
    """
    dtype = torch.promote_types(vectors.dtype, matrices.dtype)
    linear = matrices[..., :2, :2].to(dtype).transpose(-1, -2)  # (..., 2, 2)
    return (vectors.to(dtype) @ linear).to(vectors.dtype)


def map_points(points: Tensor, matrices: Tensor) -> Tensor:
    """Applies affine maps to points.

    Args:
        points: (..., N, 2) x, y.
        matrices: (..., 3, 3).

    Returns:
        Same shape and type as the points; computed in the wider type of both.
    """
    wide = points.to(torch.promote_types(points.dtype, matrices.dtype))
    shift = matrices[..., None, :2, 2]  # (..., 1, 2)
    return (map_vectors(wide, matrices) + shift).to(points.dtype)


def signed_areas(matrices: Tensor) -> Tensor:
    """Returns the factors by which (..., 3, 3) affine maps scale areas, (...).

    Negative if a map flips. Not ``torch.det``, which few runtimes support.
    """
    (a, b), (c, d) = (row.unbind(-1) for row in matrices[..., :2, :2].unbind(-2))
    return a * d - b * c
