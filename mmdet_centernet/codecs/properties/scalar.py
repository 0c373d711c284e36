"""A number as a property of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import TASK_UTILS
from torch import Tensor

from mmdet_centernet.codecs.properties.base import Property
from mmdet_centernet.functional.points import signed_areas

EPSILON = 1e-6
"""Keeps the official depth, 1 / sigmoid - 1, finite."""
SMALLEST = 1e-6
"""Smallest argument of a logarithm."""


@TASK_UTILS.register_module()
class ScalarProperty(Property):
    """A number: a distance, an age, a brightness.

    Args:
        key: See :class:`Property`.
        scale: Encoding of the number: ``linear``; ``log``, its logarithm, for positive
            numbers whose relative error matters; ``inverse_sigmoid``, the depth of the
            official 3D detector, ``1 / sigmoid(output) - 1``.
        is_length: The number is a length in pixels, which scales with the image.
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
        factors = signed_areas(matrices).abs().sqrt()  # (...)
        return (values * factors[..., None]).to(values.dtype)

    def read(self, value: Any) -> np.ndarray:
        """See :meth:`Property.read`."""
        number = super().read(value)
        if self.scale != 'linear' and number <= 0:
            raise ValueError(
                f'{value!r} is not above 0, which scale={self.scale!r} needs'
            )
        return number

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        """Returns the absolute difference. See :meth:`Property.error`."""
        return (pred - target).abs()
