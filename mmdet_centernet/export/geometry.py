"""Describes how the ONNX runner maps property values from network input to image.

Legend: N objects. Matrices are (1, 3, 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmdet_centernet.codecs import AngleProperty, Property
from mmdet_centernet.functional.points import map_points, map_vectors, signed_areas
from mmdet_centernet.reason import reason

TOLERANCE = 1e-4
"""Relative to 1 plus the magnitude of a value."""
OTHER_IMAGE = ((1.7, 0, 13), (0, 0.6, -4), (0, 0, 1))
"""An example of a map to the image, under which all kinds give different values."""


def describe_geometry(name: str, prop: Property) -> dict[str, Any]:
    """Returns the ``geometry`` of a property after checking it against ``transform``.

    Args:
        name: Name of the property, for messages.
        prop: The property.

    Raises:
        ValueError: If the two differ, so that values would be wrong outside torch.
    """
    geometry = prop.geometry
    kind = geometry.get('kind')
    if kind not in _KINDS:
        raise ValueError(
            f'{name} is a {type(prop).__name__} whose geometry is {geometry}; its kind '
            f'has to be one of {list(_KINDS)}'
        )
    try:
        is_true = _is_true(prop, geometry)
    except Exception as error:  # from shapes or a user's class
        raise ValueError(f'{_wrong(name, prop)} ({reason(error)})') from error
    if not is_true:
        raise ValueError(_wrong(name, prop))
    return geometry


def _wrong(name: str, prop: Property) -> str:
    return (
        f'{name} is a {type(prop).__name__}, whose transform does not match its '
        f'geometry {prop.geometry}: outside torch its values would be wrong. '
        f'Override `geometry` of the class if one of {list(_KINDS)} matches; other '
        'properties cannot be exported'
    )


def _is_true(prop: Property, geometry: dict[str, Any]) -> bool:
    """Whether `transform` and the geometry agree on random values."""
    matrix = torch.tensor([OTHER_IMAGE], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    # An odd number of rows: reshaping to pairs fails unless each row holds pairs.
    values = 5 + 50 * torch.rand(1, 7, *prop.row_shape, generator=generator)
    given = dict(geometry)
    expected = _KINDS[given.pop('kind')](values, matrix, **given).reshape(values.shape)
    found = prop.transform(values, matrix)
    if 'period' in given:
        errors = AngleProperty('', **given).error(found, expected)
    else:
        errors = (found - expected).abs()
    return bool((errors <= TOLERANCE * (1 + expected.abs())).all())


def _plain(values: Tensor, matrices: Tensor) -> Tensor:
    return values


def _length(values: Tensor, matrices: Tensor) -> Tensor:
    return values * signed_areas(matrices).abs().sqrt().item()


def _displacement(values: Tensor, matrices: Tensor) -> Tensor:
    return map_vectors(values.reshape(1, -1, 2), matrices)


def _keypoints(values: Tensor, matrices: Tensor) -> Tensor:
    return map_points(values.reshape(1, -1, 2), matrices)


def _angle(values: Tensor, matrices: Tensor, *, period: float) -> Tensor:
    angles = values.reshape(1, -1)
    return AngleProperty('', period=period).transform(angles, matrices)


def _scaled(
    values: Tensor, matrices: Tensor, *, powers: Sequence[Sequence[float]]
) -> Tensor:
    """Scales values; maps to the image do not rotate or shear."""
    sides = torch.stack([matrices[:, 0, 0], matrices[:, 1, 1]], dim=-1)
    return values.reshape(-1, len(powers)) * sides.pow(torch.tensor(powers)).prod(-1)


_KINDS: dict[str, Callable[..., Tensor]] = dict(
    plain=_plain,
    length=_length,
    displacement=_displacement,
    keypoints=_keypoints,
    angle=_angle,
    scaled=_scaled,
)
"""Maps (1, N, ...) values, for each kind; `tools/predict_onnx.py` has the same."""
