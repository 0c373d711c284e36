"""The official color augmentation as a pipeline step."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS

from mmdet_centernet.arguments import check_not_negative
from mmdet_centernet.functional.color import BLENDS, ColorDraws, change_colors


@TRANSFORMS.register_module()
class CenterNetColorJitter(BaseTransform):
    """Changes brightness, contrast and saturation in random order, then adds light.

    The official code changes colors after the warp, so this step belongs after
    ``RandomCenterAffine``: it also changes the padding, which counts in the mean gray
    value. Nothing is clipped.

    Required keys: ``img`` (H, W, 3), B, G, R in 0..255, uint8 or float32. Modified
    keys: ``img`` (float32).

    Args:
        strength: Brightness, contrast and saturation are multiplied by factors between
            ``1 - strength`` and ``1 + strength``.
        light_std: Standard deviation of the light along the three principal components
            of COCO's colors.

    Raises:
        ValueError: If an argument is negative, or the image has no color.
    """

    def __init__(self, *, strength: float = 0.4, light_std: float = 0.1) -> None:
        check_not_negative(strength=strength, light_std=light_std)
        self.strength = strength
        self.light_std = light_std

    @cache_randomness
    def _draw(self) -> ColorDraws:
        names = np.random.permutation(BLENDS).tolist()
        shares = 1 + np.random.uniform(-self.strength, self.strength, len(names))
        lights = np.random.normal(scale=self.light_std, size=3)
        return ColorDraws(list(zip(names, shares, strict=True)), lights)

    def transform(self, results: dict) -> dict:
        """Changes the colors of ``results['img']``, (H, W, 3).

        Raises:
            ValueError: If the image does not have three channels.
        """
        image = results['img']
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f'{results.get("img_path", "an image")} has shape {image.shape}, three '
                "colors are needed: load it with color_type='color'"
            )
        results['img'] = change_colors(image, self._draw())
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(strength={self.strength}, '
            f'light_std={self.light_std})'
        )
