"""The two properties of a box: its size and the offset of its center.

Their values come from the assigner, which clips boxes, and are in cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmdet_centernet.codecs.properties.base import Property


class SizeProperty(Property):
    """Width and height of an object."""

    row_shape = (2,)
    channels = 2


class OffsetProperty(Property):
    """Position of a point, such as a center or joint, relative to its cell."""

    row_shape = (2,)
    channels = 2

    def encode(self, values: Tensor, cells: Tensor, shape: Sequence[int]) -> Tensor:
        """See :meth:`Property.encode`."""
        return values - cells

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """See :meth:`Property.decode`."""
        return encoded + cells

    def merge_flipped(self, maps: Tensor, flipped: Tensor) -> Tensor:
        """Ignores the flipped map, in which an object may lie in another cell."""
        return maps


SIZE, OFFSET = SizeProperty('sizes'), OffsetProperty('points')
