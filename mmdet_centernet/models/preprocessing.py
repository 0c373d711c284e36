"""Reads the normalization and padding of a data preprocessor."""

from __future__ import annotations

from typing import NamedTuple

from mmengine.model import ImgDataPreprocessor
from torch import Tensor


class Preprocessing(NamedTuple):
    """What a data preprocessor does to images.

    Attributes:
        reverses_channels: Whether it swaps B, G, R and R, G, B.
        mean: (C, 1, 1) subtracted afterwards; None without normalization.
        std: (C, 1, 1) divisor; None without normalization.
        pad_size_divisor: Width and height are padded to multiples of this.
        pad_value: Value of the padding, after normalization.
    """

    reverses_channels: bool
    mean: Tensor | None
    std: Tensor | None
    pad_size_divisor: int
    pad_value: float


def read_preprocessing(preprocessor: ImgDataPreprocessor) -> Preprocessing:
    """Reads the settings of a data preprocessor.

    mmengine has no public attributes for the first three.

    Args:
        preprocessor: mmengine's or mmdet's; its buffers may move between devices, so
            read it again for each use.
    """
    normalizes = preprocessor._enable_normalize
    return Preprocessing(
        reverses_channels=preprocessor._channel_conversion,
        mean=preprocessor.mean if normalizes else None,
        std=preprocessor.std if normalizes else None,
        pad_size_divisor=preprocessor.pad_size_divisor,
        pad_value=preprocessor.pad_value,
    )
