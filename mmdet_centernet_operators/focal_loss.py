"""Focal loss with independent sigmoid classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss(
    logits: Tensor, labels: Tensor, weight: Tensor | None, gamma: float, alpha: float
) -> Tensor:
    """Computes the loss of each logit (`Focal Loss <https://arxiv.org/abs/1708.02002>`_).

    Args:
        logits: (N, C).
        labels: (N,) int64; C is the background.
        weight: (C,) per label, or None.
        gamma: Exponent of the factor that reduces the loss of easy examples.
        alpha: Weight of the positives; negatives have 1 - alpha.

    Returns:
        (N, C).
    """
    positive = labels[:, None] == torch.arange(logits.shape[1], device=logits.device)
    probability = logits.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - probability) ** gamma * F.logsigmoid(logits),
        -(1 - alpha) * probability**gamma * F.logsigmoid(-logits),
    )
    if weight is None:
        return loss
    # The background label C has weight 1.
    padded = torch.cat([weight, weight.new_ones(1)])
    return loss * padded[labels][:, None]
