"""Converts network inputs and heatmaps to images.

Legend: C classes, H x W cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from mmdet_centernet.functional.affine import image_matrix
from mmdet_centernet.models.preprocessing import read_preprocessing


def recover_image(pixels: Tensor, preprocessor: ImgDataPreprocessor) -> np.ndarray:
    """Undoes the normalization of a network input.

    Args:
        pixels: (channels, height, width) network input. Three channels are taken as an
            image that was loaded as B, G, R, mmdet's default. Of more than three the
            first three are used, of fewer the first one as gray.
        preprocessor: The data preprocessor that made the input.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    settings = read_preprocessing(preprocessor)
    pixels = pixels.float()
    if settings.mean is not None and settings.std is not None:
        pixels = pixels * settings.std + settings.mean
    pixels = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    if not settings.reverses_channels:
        pixels = pixels.flip(0)  # BGR to RGB
    pixels = pixels.round().clamp(0, 255).byte()
    return pixels.permute(1, 2, 0).cpu().numpy()  # (height, width, 3)


def max_over_classes(logits: Tensor) -> np.ndarray:
    """Returns the (H, W) largest probability of any class, for logits (1, C, H, W)."""
    return logits[0].float().sigmoid().amax(dim=0).cpu().numpy()


def warp_heatmap(
    heatmap: np.ndarray, meta: Mapping[str, Any], stride: int
) -> np.ndarray:
    """Warps a heatmap from cells to pixels of the image.

    Args:
        heatmap: (H, W) values at the cells.
        meta: ``ori_shape``, and the geometry that the pipeline recorded.
        stride: Pixels of the network input per cell.

    Returns:
        (height, width) of the image, float32; 0 outside the network input.
    """
    height, width = meta['ori_shape'][:2]
    # Values belong to the middle of a cell or pixel, half a unit from its corner.
    into_middle, out_of_middle = np.eye(3), np.eye(3)
    into_middle[:2, 2], out_of_middle[:2, 2] = 0.5, -0.5
    cells_to_input = np.diag([stride, stride, 1.0])
    matrix = out_of_middle @ image_matrix(meta) @ cells_to_input @ into_middle
    return cv2.warpPerspective(
        heatmap.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR
    )
