"""Several numbers as a property of objects."""

from __future__ import annotations

from typing import Any

from mmdet.registry import TASK_UTILS
from torch import Tensor

from mmdet_centernet.arguments import check_whole
from mmdet_centernet.codecs.properties.base import Property
from mmdet_centernet.functional.points import map_vectors, negate_x


@TASK_UTILS.register_module()
class VectorProperty(Property):
    """Several numbers: sides of a block, a color, the motion of an object.

    Args:
        key: See :class:`Property`.
        num_channels: Number of channels, D.
        is_displacement: The numbers are x and y of a displacement in pixels, which is
            scaled, rotated and flipped with the image.
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
