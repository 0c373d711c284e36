"""The base class of properties, and a reader of numbers in annotations.

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
    """A property of objects: how to encode, decode, flip and transform its values.

    Subclasses set ``row_shape`` and ``channels``, register in ``TASK_UTILS``, and
    override methods as needed. By default targets equal the values, and values do not
    depend on the image's geometry.

    Args:
        key: Field of ``gt_instances`` and ``pred_instances``, and of annotations.
        loss: Loss of predicted and encoded values, (P, D) each.
        whole_gaussian: Supervise all covered cells of an object (True) or only the
            cell of its center (False). By default as boxes are, see ``loss_bbox`` of
            the head.
        unit: Value that an output of 1 of the branch represents, see ``wh_unit`` of the
            head.
        required: Objects without a label of this property supervise only the heatmap,
            not their box or other properties (persons without joints in the official
            code).

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
        """Describes :meth:`transform` for programs without torch.

        An export writes this description into its file and compares it with the method.

        Returns:
            ``kind`` is one of: ``plain``, values do not depend on the image's geometry;
            ``length``, values scale with the image; ``displacement`` and ``keypoints``,
            x and y of displacements or of points; ``angle``, with its ``period``;
            ``scaled``, if width and height are scaled, each number is multiplied by the
            two factors to the power of its pair in ``powers``, (1, 1) for an area.
        """
        return dict(kind='plain')

    def activate(self, maps: Tensor) -> Tensor:
        """Converts outputs of the branch to encoded values.

        Args:
            maps: (B, D, H, W) outputs of the branch.

        Returns:
            Same shape.
        """
        return maps if self.unit == 1 else maps * self.unit

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """Encodes values as targets of cells.

        Args:
            values: (P, row_shape...) values of the object that each cell is assigned
                to. Lengths and positions are in cells.
            cells: (P, 2) x, y of the cells.
            shape: H, W of the map.

        Returns:
            (P, D) targets, nan for cells to leave unsupervised.
        """
        return values.reshape(len(values), self.channels)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """Decodes the outputs of cells, the inverse of :meth:`encode`.

        Args:
            encoded: (..., D) encoded values.
            cells: (..., 2) x, y of the cells.

        Returns:
            (..., row_shape...) values, in cells.
        """
        return encoded.reshape(*encoded.shape[:-1], *self.row_shape)

    def flip(self, maps: Tensor) -> Tensor:
        """Undoes the effect of a horizontal flip of the image on encoded values.

        Args:
            maps: (B, D, H, W) of the flipped images, with columns flipped back.

        Returns:
            (B, D, H, W), comparable with the maps of the original images.
        """
        return maps

    def merge_flipped(self, maps: Tensor, flipped: Tensor) -> Tensor:
        """Merges the maps of images and of flipped images.

        Args:
            maps: (B, D, H, W) of the images.
            flipped: (B, D, H, W) of the flipped images, with columns flipped back.

        Returns:
            (B, D, H, W).
        """
        return (maps + self.flip(flipped)) / 2

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """Transforms values from one image to another.

        Args:
            values: (..., N, row_shape...).
            matrices: (..., 3, 3) affine maps of column vectors (x, y, 1), in pixels. A
                negative determinant is a flip.

        Returns:
            Same shape and type as the values.
        """
        return values

    def read(self, value: Any) -> np.ndarray:
        """Reads the value of one object from an annotation.

        Args:
            value: Value in the annotation file; None if there is none.

        Returns:
            ``row_shape`` float32, nan if unlabeled.

        Raises:
            ValueError: If the value has another type or length or is out of range.
        """
        return read_numbers(value, self.row_shape)

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        """Computes the errors of predictions.

        Args:
            pred: (N, row_shape...).
            target: (N, row_shape...) ground truth.

        Returns:
            (N,) Euclidean distance of the rows, nan if the ground truth is unlabeled.
        """
        return (pred - target).unsqueeze(-1).flatten(1).norm(dim=1)


def read_numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Converts a number or a flat list of numbers to a given shape; None to nan."""
    if value is None:
        return np.full(shape, np.nan, np.float32)
    expected = int(np.prod(shape, dtype=int))
    numbers = value if shape else [value]
    if not isinstance(numbers, Sequence) or isinstance(numbers, str):
        raise ValueError(f'{value!r} is not a list of {expected} numbers')
    if not all(is_number(number) for number in numbers):
        kind = f'list of {expected} numbers' if shape else 'number'
        raise ValueError(f'{value!r} is not a {kind}')
    if len(numbers) != expected:
        raise ValueError(f'it has {len(numbers)} numbers, not {expected}')
    return np.array(numbers, np.float32).reshape(shape)
