"""Gaussian-weighted focal loss of each cell, computed from logits.

Let ``e`` be the logit of the wrong class (``-x`` at a peak, ``x`` elsewhere) and
``w = sigmoid(e)`` its probability. Both branches of the loss are then the same function
of ``e``::

    loss = weight * w ** alpha * -log(1 - w)

with ``weight = pos_weight`` at a peak and ``neg_weight * (1 - Y) ** gamma`` elsewhere.

"Full precision" is float64 for float64 and float32 for all else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Factor = Tensor | float


def gaussian_focal_loss_with_logits(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 2.0,
    gamma: float = 4.0,
    pos_weight: float = 1.0,
    neg_weight: float = 1.0,
) -> Tensor:
    """Computes the focal loss of each cell (Objects as Points, section 3, equation 1).

    Computes in full precision also under autocast. Value and gradient are finite for
    every finite logit.

    Args:
        logits: Heatmap before the sigmoid, any shape.
        target: Gaussian heat Y in [0, 1], same shape; a cell is a peak where it is
            exactly 1. A constant: no gradient reaches it.
        alpha: Exponent of the wrong class's probability, not negative.
        gamma: Exponent of 1 - Y, not negative; the paper calls it beta.
        pos_weight: Factor of the loss at peaks.
        neg_weight: Factor of the loss elsewhere.

    Returns:
        The loss of each cell in full precision, same shape.

    Raises:
        ValueError: If the shapes differ or an exponent is negative.
    """
    check_same_shape(logits, target)
    rule = FocalRule(alpha, gamma, pos_weight, neg_weight)
    heat = target.detach().to(full_precision(logits))
    return rule.losses(logits, *rule.sign_and_weight(heat))


# Not frozen: torch 2.1 cannot compile the construction of a frozen dataclass.
@dataclass
class FocalRule:
    """Exponents and weights of the loss, and the functions of a cell that use them.

    Attributes:
        alpha: Exponent of the wrong class's probability, not negative.
        gamma: Exponent of 1 - Y, not negative; the paper calls it beta.
        pos_weight: Factor of the loss at peaks.
        neg_weight: Factor of the loss elsewhere.

    Raises:
        ValueError: If an exponent is negative.
    """

    alpha: float = 2.0
    gamma: float = 4.0
    pos_weight: float = 1.0
    neg_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.gamma < 0:
            raise ValueError(
                f'alpha is {self.alpha}, gamma is {self.gamma}; neither may be negative'
            )

    def background(self, ignored: Tensor | None, dtype: torch.dtype) -> Factor:
        """Returns the weight of background cells.

        Args:
            ignored: Bool, any shape; cells without loss.
            dtype: Of the result.

        Returns:
            A tensor of the shape of ``ignored``; without it a number for all cells.
        """
        if ignored is None:
            return self.neg_weight
        return self.neg_weight * (~ignored).to(dtype)

    def sign_and_weight(
        self, heat: Tensor, ignored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns the sign that turns a logit into ``e``, and the weight of each cell.

        Peaks are never ignored.

        Args:
            heat: Gaussian heat in [0, 1], any shape.
            ignored: Bool, broadcastable to it; cells without loss.

        Returns:
            Both of the shape and type of the heat; the sign is 1 or -1.
        """
        is_peak = heat == 1
        elsewhere = self.background(ignored, heat.dtype) * (1 - heat) ** self.gamma
        sign = 1 - 2 * is_peak.to(heat.dtype)
        return sign, elsewhere.masked_fill(is_peak, self.pos_weight)

    def losses(self, logits: Tensor, sign: Factor, weight: Factor) -> Tensor:
        """Computes the loss of each cell, differentiable in the logits.

        Args:
            logits: Heatmap before the sigmoid, any shape.
            sign: See ``sign_and_weight``, broadcastable to the logits.
            weight: See ``sign_and_weight``, broadcastable to the logits.

        Returns:
            Losses in full precision, of the shape of the logits.
        """
        error = logits.to(full_precision(logits)) * sign
        # Powers of exp(log w) have finite gradients, also where w rounds to 0.
        focus = (self.alpha * F.logsigmoid(error)).exp()
        return weight * focus * -F.logsigmoid(-error)


def full_precision(tensor: Tensor) -> torch.dtype:
    """Returns the dtype in which losses of the tensor are computed."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def check_same_shape(logits: Tensor, target: Tensor) -> None:
    """Checks that the target has the shape of the logits.

    Raises:
        ValueError: If the shapes differ.
    """
    if logits.shape != target.shape:
        raise ValueError(
            f'the target has shape {tuple(target.shape)}, the logits '
            f'{tuple(logits.shape)}; they have to be the same'
        )
