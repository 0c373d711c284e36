"""What do an image and its mirror image say together.

Legend: B images, C classes, H x W map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def average_mirrored(
    straight: Sequence[Tensor], mirrored: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Average the maps of images with those of their mirror images.

    Heat is averaged as a probability. The offset is that of the image alone: in the
    mirror image the same object may lie in another cell.

    Args:
        straight: Heatmap logits (B, C, H, W), sizes (B, 2, H, W) and offsets
            (B, 2, H, W) of the images.
        mirrored: The same of the images mirrored left to right, padding included.

    Returns:
        The three maps, in the geometry of the images.
    """
    heatmap, wh, offset = straight
    other_heatmap, other_wh, _ = (maps.flip(-1) for maps in mirrored)
    return mean_logit(heatmap, other_heatmap), (wh + other_wh) / 2, offset


def mean_logit(one: Tensor, other: Tensor) -> Tensor:
    """Logit of the mean of two probabilities that are given as logits.

    The mean itself never is computed: close to 1, float32 has too few numbers left to
    tell high peaks from each other.

    Args:
        one: Logits, any shape.
        other: Logits, same shape.

    Returns:
        Same shape; float32 at least.
    """
    dtype = torch.promote_types(one.dtype, torch.float32)
    one, other = one.to(dtype), other.to(dtype)
    heat = one.sigmoid() + other.sigmoid()
    cold = (-one).sigmoid() + (-other).sigmoid()
    return (heat / cold).log()
