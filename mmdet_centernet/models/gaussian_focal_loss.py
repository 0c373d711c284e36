"""The heatmap loss as a registered module."""

from __future__ import annotations

from dataclasses import asdict

from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS
from torch import Tensor, nn

from mmdet_centernet.arguments import check_not_negative
from mmdet_centernet.functional.focal import (
    FocalRule,
    gaussian_focal_loss_with_logits,
)
from mmdet_centernet.functional.focal_sum import (
    gaussian_focal_loss_sparse,
    gaussian_focal_loss_sum,
)


@MODELS.register_module()
class GaussianFocalLossWithLogits(nn.Module):
    """Gaussian focal loss on logits (Objects as Points, section 3, equation 1).

    mmdet's ``GaussianFocalLoss`` takes probabilities and is not finite where one of
    them rounds to 0 or 1. This loss is finite for all finite logits and computes in
    float32 under any autocast.

    Args:
        alpha: Exponent of the wrong class's probability, not negative.
        gamma: Exponent of 1 - Y, not negative; the paper calls it beta.
        reduction: ``none``, ``mean`` or ``sum``.
        loss_weight: Factor of the loss.
        pos_weight: Factor of the loss at peaks.
        neg_weight: Factor of the loss elsewhere.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        gamma: float = 4.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        pos_weight: float = 1.0,
        neg_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_not_negative(
            alpha=alpha,
            gamma=gamma,
            loss_weight=loss_weight,
            pos_weight=pos_weight,
            neg_weight=neg_weight,
        )
        self.rule = FocalRule(alpha, gamma, pos_weight, neg_weight)
        self.reduction = _known_reduction(reduction)
        self.loss_weight = loss_weight

    def forward(
        self,
        logits: Tensor,
        gaussian_target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Computes the loss for a dense target.

        Args:
            logits: Heatmap before the sigmoid, any shape.
            gaussian_target: Heat Y in [0, 1], same shape; exactly 1 at peaks.
            weight: Factor of each cell's loss, broadcastable to the logits.
            avg_factor: Divisor of ``mean`` instead of the number of cells.
            reduction_override: Replaces ``reduction``.

        Returns:
            0-dim, or the logits' shape for ``none``; float32 (float64 for float64).

        Raises:
            ValueError: If shapes do not match or the reduction is invalid.
        """
        reduction = _known_reduction(reduction_override or self.reduction)
        if reduction == 'none':
            losses = gaussian_focal_loss_with_logits(
                logits, gaussian_target, **asdict(self.rule)
            )
            return self.loss_weight * weight_reduce_loss(losses, weight, reduction)
        total = gaussian_focal_loss_sum(logits, gaussian_target, weight, rule=self.rule)
        return self._reduce(total, reduction, avg_factor, logits.numel())

    def sparse(
        self,
        logits: Tensor,
        index: Tensor,
        heat: Tensor,
        ignored: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """Computes the loss for a target that is 0 except in listed cells.

        Args:
            logits: Heatmap before the sigmoid, any shape.
            index: (P,) int64 positions of the cells in ``logits.flatten()``; of a cell
                that is listed repeatedly the highest heat counts.
            heat: (P,) heat Y in [0, 1]; exactly 1 at peaks.
            ignored: Bool, broadcastable to the logits: cells without loss, except
                peaks.
            avg_factor: Divisor of ``mean`` instead of the number of cells.

        Returns:
            0-dim; float32 (float64 for float64).

        Raises:
            ValueError: If shapes do not match or the reduction is invalid.
        """
        if self.reduction == 'none':
            raise ValueError(
                "reduction='none' needs a dense target; set reduction='mean' or 'sum'"
            )
        total = gaussian_focal_loss_sparse(logits, index, heat, ignored, rule=self.rule)
        return self._reduce(total, self.reduction, avg_factor, logits.numel())

    def _reduce(
        self,
        total: Tensor,
        reduction: str,
        avg_factor: Tensor | float | None,
        num_cells: int,
    ) -> Tensor:
        """Applies mmdet's reduction and weight to the sum over all cells."""
        if reduction == 'mean' and avg_factor is None:
            avg_factor = num_cells
        return self.loss_weight * weight_reduce_loss(total, None, reduction, avg_factor)


def _known_reduction(reduction: str) -> str:
    if reduction not in ('none', 'mean', 'sum'):
        raise ValueError(f"reduction is {reduction!r}; choose 'none', 'mean' or 'sum'")
    return reduction
