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

    Learned as displacements from the cell to the points, in cells. A point outside the
    map cannot be learned.

    Args:
        key: See :class:`Property`.
        num_points: How many, J.
        flip_pairs: Pairs of points that change names when the image is flipped: left
            and right eye.
        flip_sum: What the displacements in x of a point and of the same point in the
            flipped image add up to, in cells. With mmdet's flip, which sends x to
            W - x, that is 1; the official code averages as if it were 0.
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
        """X and y of each point in turn. See :meth:`Property.encode`."""
        on_map = points_on_map(values, shape)[..., None]
        values = torch.where(on_map, values, torch.nan)
        return (values - cells[:, None]).flatten(1)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """See :meth:`Property.decode`."""
        return super().decode(encoded, cells) + cells[..., None, :]

    def flip(self, maps: Tensor) -> Tensor:
        """See :meth:`Property.flip`."""
        x, y = maps.unflatten(1, (self.num_points, 2)).unbind(2)  # (B, J, H, W)
        points = torch.stack([self.flip_sum - x, y], dim=2)
        return points[:, self.flipped_order].flatten(1, 2)

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        points = map_points(values.flatten(-3, -2), matrices)
        points = points.unflatten(-2, values.shape[-3:-1])
        is_flip = signed_areas(matrices) < 0
        flipped = points[..., self.flipped_order, :]
        return torch.where(is_flip[..., None, None, None], flipped, points)

    def read(self, value: Any) -> np.ndarray:
        """Read COCO's x, y, visibility of each point. See :meth:`Property.read`."""
        rows = read_numbers(value, (self.num_points, 3))
        is_labeled = rows[:, 2:] > 0
        return np.where(is_labeled, rows[:, :2], np.float32(np.nan))

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Mean distance over the labeled points. See :meth:`Property.error`."""
        return (predicted - truth).norm(dim=-1).nanmean(dim=-1)


def _flipped_order(num_points: int, pairs: Sequence[Sequence[int]]) -> list[int]:
    """Which point of the flipped image takes the place of each."""
    order = list(range(num_points))
    named = [point for pair in pairs for point in pair]
    if len(set(named)) != len(named) or not set(named) <= set(order):
        raise ValueError(
            f'flip_pairs are {list(pairs)}; each of the points 0 to {num_points - 1} '
            'may stand in one pair'
        )
    for left, right in pairs:
        order[left], order[right] = right, left
    return order
