"""Boxes that carry the properties of their objects through a pipeline.

Transforms crop, flip, mix and drop boxes. Values that belong to the boxes follow, also
in transforms that know nothing of properties.

Legend: n objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.structures.bbox import (
    HorizontalBoxes,
    register_box,
    register_box_converter,
)
from torch import Tensor

from mmdet_centernet.codecs.properties import Property

VALUES_LOST = (
    'a transform has rebuilt the boxes and lost the values: Albu, CopyPaste, '
    'GTBoxSubOne_GLIP, RandomErasing and RandomCrop(recompute_bbox=True) do. Remove '
    'it; before LoadAnnotations Albu may change colors. Transforms that call methods '
    'of boxes, such as Resize, RandomFlip, RandomAffine, Mosaic, keep the values'
)


@register_box('hbox_with_properties')
class PropertyBoxes(HorizontalBoxes):
    """Boxes, (n, 4), with the values of properties of their objects.

    Methods that transform the boxes apply the same affine map to the values, see
    :meth:`Property.transform`; clipping does not change them. The boxes themselves
    equal those of ``HorizontalBoxes``. Methods that return another shape than (n, 4)
    drop the values.

    Args:
        data: See ``HorizontalBoxes``.
        dtype: See there.
        device: See there.
        clone: See there.
        in_mode: See there.
        values: (n, row_shape...) by the key of the property. Boxes without values have
            lost them.
        properties: The properties by key.

    Attributes:
        moved: Whether the boxes differ from those that were loaded.
    """

    def __init__(
        self,
        data: Tensor | np.ndarray | Sequence,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        clone: bool = True,
        in_mode: str | None = None,
        *,
        values: Mapping[str, Tensor] | None = None,
        properties: Mapping[str, Property] | None = None,
    ) -> None:
        super().__init__(data, dtype, device, clone, in_mode)
        self.values = dict(values or {})
        self.properties = dict(properties or {})
        self.moved = False

    def flip_(self, img_shape: tuple[int, int], direction: str = 'horizontal') -> None:
        """Flips in place; a flip that exchanges left and right exchanges keypoints."""
        super().flip_(img_shape, direction)
        height, width = img_shape[:2]
        matrix = np.eye(3)
        if direction in ('horizontal', 'diagonal'):
            matrix[0] = -1, 0, width
        if direction in ('vertical', 'diagonal'):
            matrix[1] = 0, -1, height
        self._transform_values(matrix)

    def translate_(self, distances: tuple[float, float]) -> None:
        """Translates in place."""
        super().translate_(distances)
        matrix = np.eye(3)
        matrix[:2, 2] = [float(distance) for distance in distances]
        self._transform_values(matrix)

    def rescale_(self, scale_factor: tuple[float, float]) -> None:
        """Scales with the image, in place."""
        super().rescale_(scale_factor)
        self._transform_values(np.diag([*map(float, scale_factor), 1.0]))

    def rotate_(self, center: tuple[float, float], angle: float) -> None:
        """Rotates clockwise by degrees, in place."""
        super().rotate_(center, angle)
        rotation = cv2.getRotationMatrix2D(center, -angle, 1)
        self._transform_values(np.vstack([rotation, [0, 0, 1]]))

    def project_(self, homography_matrix: Tensor | np.ndarray) -> None:
        """Applies an affine map in place.

        Raises:
            ValueError: If the map is not affine.
        """
        super().project_(homography_matrix)
        matrix = torch.as_tensor(homography_matrix).cpu().double().numpy()
        matrix = matrix / matrix[2, 2]
        if not np.allclose(matrix[2], (0, 0, 1), atol=1e-9):
            raise ValueError(
                f'the map {matrix.tolist()} has a perspective, in which lengths and '
                'angles depend on the position: remove the transform'
            )
        self._transform_values(matrix)

    def _transform_values(self, matrix: np.ndarray) -> None:
        """Applies a (3, 3) affine map to the values."""
        self.moved = self.moved or not np.array_equal(matrix, np.eye(3))
        self.values = {
            key: self.properties[key].transform(
                value, torch.as_tensor(matrix, device=value.device)
            )
            for key, value in self.values.items()
        }

    def __getitem__(self, index: Any) -> PropertyBoxes:
        rows = self._rows(index)
        return self._copy_values(super().__getitem__(index), lambda value: value[rows])

    def __setitem__(self, index: Any, boxes: PropertyBoxes) -> None:
        super().__setitem__(index, boxes)
        rows = self._rows(index)
        for key, value in self.values.items():
            value[rows] = boxes.values[key]

    def _rows(self, index: Any) -> Tensor:
        """Returns the numbers of the rows that an index selects."""
        if isinstance(index, np.ndarray):
            index = torch.as_tensor(index)
        return torch.arange(len(self), device=self.device)[index].flatten()

    def __deepcopy__(self, memo: dict) -> PropertyBoxes:
        return self._copy_values(super().__deepcopy__(memo), Tensor.clone)

    def clone(self) -> PropertyBoxes:
        """Copies boxes and values."""
        return self._copy_values(super().clone(), Tensor.clone)

    def detach(self) -> PropertyBoxes:
        """Detaches boxes and values from the graph."""
        return self._copy_values(super().detach(), Tensor.detach)

    def to(self, *args: Any, **kwargs: Any) -> PropertyBoxes:
        """Converts boxes and values to another device or type."""
        return self._copy_values(
            super().to(*args, **kwargs), lambda value: value.to(*args, **kwargs)
        )

    def cpu(self) -> PropertyBoxes:
        """Copies boxes and values to the host."""
        return self._copy_values(super().cpu(), Tensor.cpu)

    def cuda(self, *args: Any, **kwargs: Any) -> PropertyBoxes:
        """Copies boxes and values to a GPU."""
        return self._copy_values(
            super().cuda(*args, **kwargs), lambda value: value.cuda(*args, **kwargs)
        )

    def empty_boxes(
        self, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> PropertyBoxes:
        """Returns (0, 4) boxes with the same properties."""
        return self._copy_values(
            super().empty_boxes(dtype, device),
            lambda value: value.new_zeros(
                (0, *value.shape[1:]), dtype=dtype, device=device
            ),
        )

    def split(self, sizes: int | Sequence[int], dim: int = 0) -> list[PropertyBoxes]:
        """Splits boxes into parts of given sizes."""
        parts = torch.arange(len(self), device=self.device).split(sizes, dim)
        return [self[rows] for rows in parts]

    def chunk(self, chunks: int, dim: int = 0) -> list[PropertyBoxes]:
        """Splits boxes into a number of parts."""
        parts = torch.arange(len(self), device=self.device).chunk(chunks, dim)
        return [self[rows] for rows in parts]

    @classmethod
    def cat(cls, box_list: Sequence[HorizontalBoxes], dim: int = 0) -> PropertyBoxes:
        """Concatenates boxes and their values.

        Raises:
            ValueError: If some have no values, or other properties.
        """
        joined, first = super().cat(_carriers(box_list), dim), box_list[0]
        joined.moved = any(boxes.moved for boxes in _carriers(box_list))
        joined.properties = first.properties
        joined.values = {
            key: torch.cat([boxes.values[key] for boxes in _carriers(box_list)])
            for key in first.values
        }
        return joined

    def _copy_values(
        self, boxes: PropertyBoxes, change: Callable[[Tensor], Tensor]
    ) -> PropertyBoxes:
        """Copies the values to new boxes, changed like the boxes."""
        boxes.moved = self.moved
        is_list = boxes.dim() == 2
        boxes.properties = dict(self.properties) if is_list else {}
        boxes.values = {k: change(v) for k, v in self.values.items()} if is_list else {}
        return boxes


register_box_converter(PropertyBoxes, HorizontalBoxes, lambda boxes: boxes)


def carries_values(boxes: Any) -> bool:
    """Returns whether these are boxes that carry values of properties."""
    return isinstance(boxes, PropertyBoxes) and bool(boxes.values)


def _carriers(box_list: Sequence[HorizontalBoxes]) -> list[PropertyBoxes]:
    """Checks that boxes can be concatenated.

    Raises:
        ValueError: If they cannot.
    """
    carriers = [boxes for boxes in box_list if carries_values(boxes)]
    if len(carriers) < len(box_list):
        kinds = [type(boxes).__name__ for boxes in box_list]
        raise ValueError(f'{kinds} cannot be concatenated: {VALUES_LOST}')
    if any(boxes.values.keys() != carriers[0].values.keys() for boxes in carriers):
        keys = [sorted(boxes.values) for boxes in carriers]
        raise ValueError(
            f'boxes with the properties {keys} cannot be concatenated: give '
            'LoadProperties of all mixed datasets the same properties'
        )
    return carriers
