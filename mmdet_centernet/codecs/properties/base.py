"""The base class of properties, and how their values are read from annotations.

Legend: B images, N objects, P supervised cells, D channels, H x W map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.utils import ConfigType
from torch import Tensor

from mmdet_centernet.arguments import check_positive, is_number

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
            cell of its center alone. By default as boxes are learned, see ``loss_bbox``
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
            ``row_shape`` float32, nan where it is not labeled.

        Raises:
            ValueError: If the value has another type or length or is out of range.
        """
        return read_numbers(value, self.row_shape)

    def error(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """How far predictions are off.

        Args:
            predicted: (N, row_shape...).
            truth: (N, row_shape...).

        Returns:
            (N,) Euclidean distance of the rows, nan where the truth is not labeled.
        """
        return (predicted - truth).flatten(1).norm(dim=1)


def read_numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
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
