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
"""A radian; Tensor.rad2deg is no operator that ONNX has."""


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
