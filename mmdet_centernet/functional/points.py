"""Points and vectors under affine maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def points_on_map(points: Tensor, shape: Sequence[int]) -> Tensor:
    """Which points lie in a cell of the map; nan does not.

    Args:
        points: (..., 2) x, y in cells.
        shape: H, W of the map.

    Returns:
        (...) bool.
    """
    (x, y), (height, width) = points.unbind(-1), shape
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def negate_x(maps: Tensor) -> Tensor:
    """Turn vectors around that point left or right.

    Args:
        maps: (B, 2 * J, H, W) x and y in turn.

    Returns:
        Same shape.
    """
    x, y = maps[:, 0::2], maps[:, 1::2]
    return torch.stack([-x, y], dim=2).flatten(1, 2)


def map_vectors(vectors: Tensor, matrices: Tensor) -> Tensor:
    """Send vectors through the linear part of affine maps.

    Args:
        vectors: (..., N, 2) x, y.
        matrices: (..., 3, 3).

    Returns:
        Same shape and type as the vectors; computed in the more exact type of both.
    """
    dtype = torch.promote_types(vectors.dtype, matrices.dtype)
    linear = matrices[..., :2, :2].to(dtype).transpose(-1, -2)
    return (vectors.to(dtype) @ linear).to(vectors.dtype)


def map_points(points: Tensor, matrices: Tensor) -> Tensor:
    """Send points through affine maps.

    Args:
        points: (..., N, 2) x, y.
        matrices: (..., 3, 3).

    Returns:
        Same shape and type as the points; computed in the more exact type of both.
    """
    exact = points.to(torch.promote_types(points.dtype, matrices.dtype))
    shift = matrices[..., None, :2, 2]
    return (map_vectors(exact, matrices) + shift).to(points.dtype)


def signed_areas(matrices: Tensor) -> Tensor:
    """By how much (..., 3, 3) affine maps enlarge areas; negative if they flip.

    Written out, since few runtimes have determinants.
    """
    (a, b), (c, d) = (row.unbind(-1) for row in matrices[..., :2, :2].unbind(-2))
    return a * d - b * c
