"""Keypoints as a property of objects.

Legend: B images, N objects, D channels, J keypoints, H x W map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from mmdet_centernet.arguments import check_not_negative, check_whole
from mmdet_centernet.codecs.properties.base import Property, read_numbers
from mmdet_centernet.functional.points import map_points, points_on_map, signed_areas


@TASK_UTILS.register_module()
class KeypointsProperty(Property):
    """Points of an object, such as the joints of a person (paper, section 4.3).

    The map holds displacements from the cell to the points, in cells. Points outside
    the map are not supervised.

    Args:
        key: See :class:`Property`.
        num_points: Number of points, J.
        flip_pairs: Pairs of points that a horizontal flip exchanges, such as left and
            right eye.
        flip_sum: Sum of a point's displacement in x and that of the same point in the
            flipped image, in cells. With mmdet's flip, which maps x to W - x, it is 1;
            the official code averages as if it were 0.
        kwargs: See :class:`Property`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        key: str = 'keypoints',
        *,
        num_points: int = 17,
        flip_pairs: Sequence[Sequence[int]] = (),
        flip_sum: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(key, **kwargs)
        check_whole(num_points=num_points)
        check_not_negative(flip_sum=flip_sum)
        self.num_points = num_points
        self.flip_sum = flip_sum
        self.channels = 2 * num_points
        self.row_shape = (num_points, 2)
        self.flipped_order = _flipped_order(num_points, flip_pairs)

    @property
    def geometry(self) -> dict[str, Any]:
        """See :attr:`Property.geometry`."""
        return dict(kind='keypoints')

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """Encodes x and y of each point in turn. See :meth:`Property.encode`."""
        on_map = points_on_map(values, shape)[..., None]  # (P, J, 1)
        values = torch.where(on_map, values, torch.nan)
        return (values - cells[:, None]).flatten(1)  # (P, 2 * J)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """See :meth:`Property.decode`."""
        return super().decode(encoded, cells) + cells[..., None, :]

    def flip(self, maps: Tensor) -> Tensor:
        """See :meth:`Property.flip`."""
        x, y = maps.unflatten(1, (self.num_points, 2)).unbind(2)  # (B, J, H, W)
        points = torch.stack([self.flip_sum - x, y], dim=2)  # (B, J, 2, H, W)
        return points[:, self.flipped_order].flatten(1, 2)

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        points = map_points(values.flatten(-3, -2), matrices)  # (..., N * J, 2)
        points = points.unflatten(-2, values.shape[-3:-1])  # (..., N, J, 2)
        is_flip = signed_areas(matrices) < 0  # (...)
        flipped = points[..., self.flipped_order, :]
        return torch.where(is_flip[..., None, None, None], flipped, points)

    def read(self, value: Any) -> np.ndarray:
        """Reads COCO's x, y, visibility of each point. See :meth:`Property.read`."""
        rows = read_numbers(value, (self.num_points, 3))  # (J, 3)
        is_labeled = rows[:, 2:] > 0
        return np.where(is_labeled, rows[:, :2], np.float32(np.nan))

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        """Averages distances of the labeled points. See :meth:`Property.error`."""
        return (pred - target).norm(dim=-1).nanmean(dim=-1)


def _flipped_order(num_points: int, pairs: Sequence[Sequence[int]]) -> list[int]:
    """Returns for each point its partner in a flipped image."""
    order = list(range(num_points))
    named = [point for pair in pairs for point in pair]
    if len(set(named)) != len(named) or not set(named) <= set(order):
        raise ValueError(
            f'flip_pairs are {list(pairs)}; each of the points 0 to {num_points - 1} '
            'may be in one pair'
        )
    for left, right in pairs:
        order[left], order[right] = right, left
    return order
