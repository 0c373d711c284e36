"""What do an image and its flipped image say together."""

from __future__ import annotations

import torch
from torch import Tensor


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
