"""What can be said about an object beside its box: numbers, vectors, angles, joints.

A property is read off a map of the head at the cell of an object's centre. Values of
objects stand in a field of ``gt_instances`` and ``pred_instances``, one row an object;
nan marks what is not labelled.

Legend: B images, N objects, P cells that learn, D channels, J keypoints, H x W map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from mmdet.utils import ConfigType
from torch import Tensor

from mmdet_centernet.arguments import (
    check_not_negative,
    check_positive,
    check_whole,
    is_number,
)

FULL_TURN = 360.0
"""Degrees."""
DEGREES = 180 / math.pi
"""A radian; Tensor.rad2deg is no operator that ONNX has."""
EPSILON = 1e-6
"""Keeps the official depth, 1 / sigmoid - 1, finite."""
SMALLEST = 1e-6
"""Below that no logarithm is taken."""

L1 = dict(type='L1Loss', loss_weight=1.0)


class Property:
    """A property of objects: how it is learned, read, flipped and mapped.

    Subclasses set ``row_shape`` and ``channels``, and override what differs from here:
    by default values are learned as they are and do not depend on the image's geometry.
    Register them in ``TASK_UTILS``.

    Args:
        key: Field of ``gt_instances`` and ``pred_instances``, and of annotations.
        loss: Loss of predicted against encoded values, (P, D) each.
        whole_gaussian: Learn it in all cells under an object's Gaussian, else in the
            cell of its centre alone. By default as boxes are learned, see ``loss_bbox``
            of the head.
        unit: What an output of 1 of the branch stands for, see ``wh_unit`` of the head.
        required: An object without a label of it teaches the heatmap alone, neither its
            box nor other properties (persons without joints in the official code).

    Attributes:
        row_shape: Shape of the value of one object.
        channels: Channels of the map, D.

    Raises:
        ValueError: If an argument is out of range.
    """

    row_shape: tuple[int, ...] = ()
    channels: int = 1

    def __init__(
        self,
        key: str,
        *,
        loss: ConfigType = L1,
        whole_gaussian: bool | None = None,
        unit: float = 1.0,
        required: bool = False,
    ) -> None:
        check_positive(unit=unit)
        self.required = required
        self.key = key
        self.loss = loss
        self.whole_gaussian = whole_gaussian
        self.unit = unit

    @property
    def geometry(self) -> dict[str, Any]:
        """What :meth:`transform` does, in words for programs without torch.

        An export writes them into its file, and compares them with the method.

        Returns:
            ``kind``: ``plain``, values do not depend on the image's geometry;
            ``length``, they grow with it; ``displacement`` and ``keypoints``, x and y
            of ways or of points; ``angle``, whose ``period`` stands beside it; or
            ``scaled``: where width and height are multiplied, each number of an object
            is by these factors to its pair of ``powers``, (1, 1) for an area.
        """
        return dict(kind='plain')

    def activate(self, maps: Tensor) -> Tensor:
        """From the outputs of the branch to encoded values.

        Args:
            maps: (B, D, H, W) outputs of the branch.

        Returns:
            Same shape.
        """
        return maps if self.unit == 1 else maps * self.unit

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """What cells have to put out.

        Args:
            values: (P, row_shape...) of the object that each cell learns. Lengths and
                positions are in cells.
            cells: (P, 2) x, y of the cells.
            shape: H, W of the map.

        Returns:
            (P, D) targets, nan where there is nothing to learn.
        """
        return values.reshape(len(values), self.channels)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """What cells say, the inverse of :meth:`encode`.

        Args:
            encoded: (..., D) encoded values.
            cells: (..., 2) x, y of the cells.

        Returns:
            (..., row_shape...) values, in cells.
        """
        return encoded.reshape(*encoded.shape[:-1], *self.row_shape)

    def flip(self, maps: Tensor) -> Tensor:
        """Undo what a left-right flip of the image does to encoded values.

        Args:
            maps: (B, D, H, W) of the flipped images, columns already put back.

        Returns:
            (B, D, H, W) as the images themselves would have given.
        """
        return maps

    def merge_flipped(self, maps: Tensor, flipped: Tensor) -> Tensor:
        """One map out of those of images and of flipped images.

        Args:
            maps: (B, D, H, W) of the images.
            flipped: (B, D, H, W) of the flipped images, columns already put back.

        Returns:
            (B, D, H, W).
        """
        return (maps + self.flip(flipped)) / 2

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """Bring values from the pixels of one image to those of another.

        Args:
            values: (..., N, row_shape...).
            matrices: (..., 3, 3) affine maps of column vectors (x, y, 1). A negative
                determinant flips.

        Returns:
            Same shape and type as the values.
        """
        return values

    def read(self, value: Any) -> np.ndarray:
        """Read the value of one object from an annotation.

        Args:
            value: What the annotation file says; None where it says nothing.

        Returns:
            ``row_shape`` float32, nan where it is not labelled.

        Raises:
            ValueError: If the value has another type or length or is out of range.
        """
        return _numbers(value, self.row_shape)

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """How far predictions are off.

        Args:
            predicted: (N, row_shape...).
            truth: (N, row_shape...).

        Returns:
            (N,) Euclidean distance of the rows, nan where the truth is not labelled.
        """
        return (predicted - truth).flatten(1).norm(dim=1)


@TASK_UTILS.register_module()
class ScalarProperty(Property):
    """A number: a distance, an age, a brightness.

    Args:
        key: See :class:`Property`.
        scale: How the number is learned: ``linear``; ``log``, its logarithm, for
            positive numbers of which relative errors matter; ``inverse_sigmoid``, the
            depth of the official 3D detector, ``1 / sigmoid(output) - 1``.
        is_length: It is a length in pixels, which grows with the image.
        kwargs: See :class:`Property`.

    Raises:
        ValueError: If an argument is out of range.
    """

    SCALES = ('linear', 'log', 'inverse_sigmoid')

    def __init__(
        self, key: str, *, scale: str = 'linear', is_length: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(key, **kwargs)
        if scale not in self.SCALES:
            raise ValueError(f'scale is {scale!r}; choose one of {list(self.SCALES)}')
        self.scale = scale
        self.is_length = is_length

    @property
    def geometry(self) -> dict[str, Any]:
        """See :attr:`Property.geometry`."""
        return dict(kind='length' if self.is_length else 'plain')

    def activate(self, maps: Tensor) -> Tensor:
        """See :meth:`Property.activate`."""
        if self.scale == 'inverse_sigmoid':
            maps = 1 / (maps.float().sigmoid() + EPSILON) - 1
        return super().activate(maps)

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """See :meth:`Property.encode`."""
        if self.scale == 'log':
            values = values.clamp(min=SMALLEST).log()
        return super().encode(values, cells, shape)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """See :meth:`Property.decode`."""
        return super().decode(encoded.exp() if self.scale == 'log' else encoded, cells)

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        if not self.is_length:
            return values
        factors = signed_areas(matrices).abs().sqrt()
        return (values * factors[..., None]).to(values.dtype)

    def read(self, value: Any) -> np.ndarray:
        """See :meth:`Property.read`."""
        number = super().read(value)
        if self.scale != 'linear' and number <= 0:
            raise ValueError(f'{value!r} is not above 0, as scale={self.scale!r} needs')
        return number

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """See :meth:`Property.error`."""
        return (predicted - truth).abs()


@TASK_UTILS.register_module()
class VectorProperty(Property):
    """Several numbers: sides of a block, a colour, the motion of an object.

    Args:
        key: See :class:`Property`.
        num_channels: How many numbers, D.
        is_displacement: They are x and y of a way in the image in pixels, which is
            scaled, turned and flipped with the image.
        kwargs: See :class:`Property`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        key: str,
        *,
        num_channels: int = 2,
        is_displacement: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(key, **kwargs)
        check_whole(num_channels=num_channels)
        if is_displacement and num_channels != 2:
            raise ValueError(
                f'num_channels is {num_channels}; a displacement has 2, x and y'
            )
        self.channels = num_channels
        self.row_shape = (num_channels,)
        self.is_displacement = is_displacement

    @property
    def geometry(self) -> dict[str, Any]:
        """See :attr:`Property.geometry`."""
        return dict(kind='displacement' if self.is_displacement else 'plain')

    def flip(self, maps: Tensor) -> Tensor:
        """See :meth:`Property.flip`."""
        return negate_x(maps) if self.is_displacement else maps

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        if not self.is_displacement:
            return values
        return map_vectors(values, matrices)


@TASK_UTILS.register_module()
class AngleProperty(Property):
    """A direction in the image: degrees from the x axis towards the y axis.

    With y pointing down that is clockwise as seen. Sine and cosine are learned, so that
    no jump lies between the last degree and the first.

    Args:
        key: See :class:`Property`.
        period: Degrees after which an object looks the same: 360, and 180 for what has
            no front, such as a line.
        kwargs: See :class:`Property`.

    Raises:
        ValueError: If an argument is out of range.
    """

    channels = 2

    def __init__(self, key: str, *, period: float = FULL_TURN, **kwargs: Any) -> None:
        super().__init__(key, **kwargs)
        check_positive(period=period)
        self.period = period

    @property
    def geometry(self) -> dict[str, Any]:
        """See :attr:`Property.geometry`."""
        return dict(kind='angle', period=self.period)

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """Sine and cosine. See :meth:`Property.encode`."""
        phases = values * (FULL_TURN / self.period / DEGREES)
        return torch.stack([phases.sin(), phases.cos()], dim=-1)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """Degrees in [0, period). See :meth:`Property.decode`."""
        phases = torch.atan2(encoded[..., 0], encoded[..., 1])
        return self._wrap(phases * (DEGREES * self.period / FULL_TURN))

    def flip(self, maps: Tensor) -> Tensor:
        """A flip makes 180 degrees minus the angle. See :meth:`Property.flip`."""
        half_turn = np.deg2rad(FULL_TURN / 2 * FULL_TURN / self.period)
        sin, cos = float(np.sin(half_turn)), float(np.cos(half_turn))
        sines, cosines = maps[:, :1], maps[:, 1:]
        return torch.cat(
            [sin * cosines - cos * sines, cos * cosines + sin * sines], dim=1
        )

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        exact = torch.promote_types(values.dtype, matrices.dtype)
        radians = values.to(exact) / DEGREES
        directions = torch.stack([radians.cos(), radians.sin()], dim=-1)
        x, y = map_vectors(directions, matrices).unbind(-1)
        return self._wrap(torch.atan2(y, x) * DEGREES).to(values.dtype)

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Degrees, at most half a period. See :meth:`Property.error`."""
        turned = self._wrap(predicted - truth)
        return turned.minimum(self.period - turned)

    def _wrap(self, angles: Tensor) -> Tensor:
        """Into [0, period), without an operator that ONNX lacks."""
        wrapped = angles - self.period * (angles / self.period).floor()
        # Just below 0, rounding makes a whole period.
        return torch.where(wrapped >= self.period, 0.0, wrapped)


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
        rows = _numbers(value, (self.num_points, 3))
        is_labelled = rows[:, 2:] > 0
        return np.where(is_labelled, rows[:, :2], np.float32(np.nan))

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Mean distance over the labelled points. See :meth:`Property.error`."""
        return (predicted - truth).norm(dim=-1).nanmean(dim=-1)


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


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A number, or a flat list of them, in the given shape; nan instead of None."""
    if value is None:
        return np.full(shape, np.nan, np.float32)
    expected = int(np.prod(shape, dtype=int))
    numbers = value if shape else [value]
    if not isinstance(numbers, Sequence) or isinstance(numbers, str):
        raise ValueError(f'{value!r} is no list of {expected} numbers')
    if not all(is_number(number) for number in numbers):
        kind = f'no list of {expected} numbers' if shape else 'no number'
        raise ValueError(f'{value!r} is {kind}')
    if len(numbers) != expected:
        raise ValueError(f'it has {len(numbers)} numbers, not {expected}')
    return np.array(numbers, np.float32).reshape(shape)
