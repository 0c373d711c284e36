"""A direction in the image as a property of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from mmdet_centernet.arguments import check_positive
from mmdet_centernet.codecs.properties.base import Property
from mmdet_centernet.functional.points import map_vectors

FULL_TURN = 360.0
"""Degrees."""
DEGREES = 180 / math.pi
"""Degrees per radian; ONNX has no operator for Tensor.rad2deg."""


@TASK_UTILS.register_module()
class AngleProperty(Property):
    """A direction in the image: degrees from the x axis toward the y axis.

    Since y points down, angles increase clockwise. The map holds sine and cosine, which
    are continuous where the angle wraps around.

    Args:
        key: See :class:`Property`.
        period: Degrees after which an object looks the same: 360, or 180 for objects
            without a front, such as lines.
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
        """Encodes sine and cosine. See :meth:`Property.encode`."""
        phases = values * (FULL_TURN / self.period / DEGREES)
        return torch.stack([phases.sin(), phases.cos()], dim=-1)  # (P, 2)

    def decode(self, encoded: Tensor, cells: Tensor) -> Tensor:
        """Decodes degrees in [0, period). See :meth:`Property.decode`."""
        phases = torch.atan2(encoded[..., 0], encoded[..., 1])
        return self._wrap(phases * (DEGREES * self.period / FULL_TURN))

    def flip(self, maps: Tensor) -> Tensor:
        """Maps an angle to 180 degrees minus the angle. See :meth:`Property.flip`."""
        half_turn = np.deg2rad(FULL_TURN / 2 * FULL_TURN / self.period)
        sin, cos = float(np.sin(half_turn)), float(np.cos(half_turn))
        sines, cosines = maps[:, :1], maps[:, 1:]
        return torch.cat(
            [sin * cosines - cos * sines, cos * cosines + sin * sines], dim=1
        )

    def transform(self, values: Tensor, matrices: Tensor) -> Tensor:
        """See :meth:`Property.transform`."""
        dtype = torch.promote_types(values.dtype, matrices.dtype)
        radians = values.to(dtype) / DEGREES
        directions = torch.stack([radians.cos(), radians.sin()], dim=-1)  # (..., N, 2)
        x, y = map_vectors(directions, matrices).unbind(-1)
        return self._wrap(torch.atan2(y, x) * DEGREES).to(values.dtype)

    def error(self, pred: Tensor, target: Tensor) -> Tensor:
        """Returns degrees, at most half a period. See :meth:`Property.error`."""
        difference = self._wrap(pred - target)
        return difference.minimum(self.period - difference)

    def _wrap(self, angles: Tensor) -> Tensor:
        """Wraps angles into [0, period) with operators that ONNX has."""
        wrapped = angles - self.period * (angles / self.period).floor()
        # Angles just below 0 round to a whole period.
        return torch.where(wrapped >= self.period, 0.0, wrapped)
