"""Merges the outputs of an image and of its horizontal flip."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_logit(one: Tensor, other: Tensor) -> Tensor:
    """Returns the logit of the mean of two probabilities that are given as logits.

    The mean probability is not computed: close to 1, float32 cannot distinguish high
    peaks.

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
