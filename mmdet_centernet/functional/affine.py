"""Maps between pixels of the network's input and of the original image.

Geometry is a 3x3 float64 matrix that maps column vectors (x, y, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

WAY_BACK_KEYS = ('homography_matrix', 'scale_factor', 'border', 'pad_param')


def unpad_matrix(meta: Mapping[str, Any]) -> np.ndarray:
    """Returns the map from the network's input to the image without its border.

    Args:
        meta: Meta information of an image. ``border`` (mmdet's RandomCenterCropPad) or
            ``pad_param`` (LetterResize) hold top, bottom, left, right; without either
            the image starts at the first pixel.

    Returns:
        (3, 3) matrix, a translation.
    """
    border = meta.get('border', meta.get('pad_param'))
    matrix = np.eye(3)
    if border is not None:
        matrix[:2, 2] = -float(border[2]), -float(border[0])
    return matrix


def image_matrix(meta: Mapping[str, Any]) -> np.ndarray:
    """Returns the map from the network's input to the original image.

    It removes the border, then inverts the ``homography_matrix`` (flips included) if
    the pipeline recorded one, else the ``scale_factor``.

    Args:
        meta: Meta information of an image: any of ``border``, ``pad_param``,
            ``homography_matrix`` and ``scale_factor`` (width, height).

    Returns:
        (3, 3) matrix.

    Raises:
        ValueError: If ``homography_matrix`` cannot be inverted.
    """
    if meta.get('homography_matrix') is not None:
        forward = np.asarray(meta['homography_matrix'], dtype=np.float64)
        try:
            backward = np.linalg.inv(forward)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f'homography_matrix of {meta.get("img_path", "an image")} is singular '
                f'({forward.tolist()}): a transform of the pipeline flattened the image'
            ) from error
    else:
        scale = np.asarray(meta.get('scale_factor', (1.0, 1.0)), dtype=np.float64)
        backward = np.diag([1 / scale[0], 1 / scale[1], 1.0])
    return backward @ unpad_matrix(meta)


def check_way_back(meta: Mapping[str, Any]) -> None:
    """Checks that the pipeline recorded how it changed the size of an image.

    Steps record it, but ``PackDetInputs`` hands on only what its ``meta_keys`` list, by
    default not the matrix of the official views. Without it boxes would stay in pixels
    of the network input.

    Args:
        meta: Meta information of an image; one without ``ori_shape`` or ``img_shape``
            is not checked.

    Raises:
        ValueError: If both shapes differ and no key records why.
    """
    known = any(meta.get(key) is not None for key in WAY_BACK_KEYS)
    if known or 'ori_shape' not in meta or 'img_shape' not in meta:
        return
    before, after = (tuple(meta[key][:2]) for key in ('ori_shape', 'img_shape'))
    if before != after:
        raise ValueError(
            f'{meta.get("img_path", "an image")} of {before} pixels became {after} '
            'and no key records how, so boxes cannot be mapped back: list what the '
            'pipeline records in meta_keys of PackDetInputs, homography_matrix for '
            'CenterAffine and Resize, border for RandomCenterCropPad. For padding '
            'alone leave Pad out and set data_preprocessor.pad_size_divisor'
        )


def map_boxes(boxes: Tensor, matrices: Tensor) -> Tensor:
    """Maps boxes by affine maps and encloses each result in an upright box.

    Args:
        boxes: (B, K, 4) x1, y1, x2, y2.
        matrices: (B, 3, 3) one map an image.

    Returns:
        (B, K, 4) float64.
    """
    boxes, matrices = boxes.double(), matrices.double()
    center, half = (
        (boxes[..., 2:] + boxes[..., :2]) / 2,
        (boxes[..., 2:] - boxes[..., :2]) / 2,
    )
    linear = matrices[:, :2, :2].transpose(1, 2)
    center = center @ linear + matrices[:, None, :2, 2]
    half = half @ linear.abs()
    return torch.cat([center - half, center + half], dim=-1)
