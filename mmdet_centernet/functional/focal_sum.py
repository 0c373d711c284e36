"""How wrong is the heat of a batch: the focal loss summed, with nothing in between.

Written with tensor operations, the loss of a batch of heatmaps writes and reads a dozen
maps. Here value and gradient are made together, and the gradient is the only map that
is written.

Legend: P listed cells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdet_centernet.functional.compiling import is_compiling
from mmdet_centernet.functional.focal import (
    Factor,
    FocalRule,
    check_same_shape,
    focal_rule,
    full_precision,
)
from mmdet_centernet.functional.focal_chunks import (
    ChunkEvaluator,
    empty_map,
    run_tasks,
)

Sweep = Callable[[Tensor, Tensor | None, Factor], Tensor]
"""Sums the losses of contiguous logits and writes their gradient, times a factor."""


def gaussian_focal_loss_sum(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    alpha: float = 2.0,
    gamma: float = 4.0,
    pos_weight: float = 1.0,
    neg_weight: float = 1.0,
) -> Tensor:
    """Sum of ``gaussian_focal_loss_with_logits`` over all cells.

    Only the logits receive a gradient, and it cannot be differentiated again.

    Args:
        logits: Heat before the sigmoid, any shape.
        target: Gaussian heat Y in [0, 1], same shape.
        weight: Factor of each cell's loss, broadcastable to the logits.
        alpha: As there, like the following.
        gamma: Exponent of 1 - Y.
        pos_weight: Factor of the loss at peaks.
        neg_weight: Factor of the loss elsewhere.

    Returns:
        The sum, 0-dim, in full precision.

    Raises:
        ValueError: If the shapes differ or an exponent is negative.
    """
    check_same_shape(logits, target)
    rule = focal_rule(alpha, gamma, pos_weight, neg_weight)
    target = target.detach()
    extra = None if weight is None else weight.detach().expand_as(logits)
    if is_compiling():  # a compiler fuses this better than chunks do
        heat = target.to(full_precision(logits))
        losses = rule.losses(logits, *rule.steer(heat))
        return (losses if extra is None else losses * extra).sum()
    sweep = partial(_sweep_dense, rule=rule, target=target, extra=extra)
    return _SumWithGradient.apply(logits, sweep)


def gaussian_focal_loss_sparse(
    logits: Tensor,
    index: Tensor,
    heat: Tensor,
    ignored: Tensor | None = None,
    *,
    alpha: float = 2.0,
    gamma: float = 4.0,
    pos_weight: float = 1.0,
    neg_weight: float = 1.0,
) -> Tensor:
    """The same sum for a target that is 0 except in the listed cells.

    The target is never written out (save under ``torch.compile``): the loss of all
    cells as background needs the logits alone, then the listed cells are corrected. A
    cell that is listed repeatedly counts once, with its highest heat, as where
    Gaussians overlap; a heat of 0 changes nothing. Nothing is read back from the
    device.

    Args:
        logits: Heat before the sigmoid, any shape.
        index: (P,) int64 positions of the cells in ``logits.flatten()``.
        heat: (P,) Gaussian heat Y in [0, 1]; peaks are the cells of heat 1.
        ignored: Bool, broadcastable to the logits: cells without loss, save for peaks.
        alpha: As in ``gaussian_focal_loss_with_logits``, like the following.
        gamma: Exponent of 1 - Y.
        pos_weight: Factor of the loss at peaks.
        neg_weight: Factor of the loss elsewhere.

    Returns:
        The sum, 0-dim, in full precision.

    Raises:
        ValueError: If the cells are not given by P int64 positions and P values, or an
            exponent is negative.
    """
    _check_cells(index, heat)
    rule = focal_rule(alpha, gamma, pos_weight, neg_weight)
    if ignored is not None:
        ignored = ignored.expand_as(logits).reshape(-1)
    heat = heat.detach().to(full_precision(logits))
    if is_compiling():  # a compiler fuses this better than chunks do
        target = heat.new_zeros(logits.numel()).scatter_reduce(0, index, heat, 'amax')
        return rule.losses(logits.flatten(), *rule.steer(target, ignored)).sum()
    cells = _merge_repeats(index, heat, logits.numel())
    sweep = partial(_sweep_sparse, rule=rule, cells=cells, ignored=ignored)
    return _SumWithGradient.apply(logits, sweep)


class _SumWithGradient(torch.autograd.Function):
    """The sum that a sweep makes, and the gradient that it makes along the way."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, sweep: Sweep) -> Tensor:
        logits = logits.contiguous()
        ctx.sweep = sweep
        ctx.save_for_backward(logits)
        # Half precision cannot hold gradients that the loss scale has yet to lift: they
        # are computed in the backward pass, when it is known.
        early = ctx.needs_input_grad[0] and logits.dtype == full_precision(logits)
        ctx.gradient = empty_map(logits) if early else None
        return sweep(logits, ctx.gradient, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        # The buffer is scaled in place and given away; whoever keeps the graph for a
        # second backward pass has it computed anew.
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is not None:
            return gradient.mul_(grad_output), None
        (logits,) = ctx.saved_tensors
        gradient = empty_map(logits)
        ctx.sweep(logits, gradient, grad_output)
        return gradient, None


def _sweep_dense(
    logits: Tensor,
    gradient: Tensor | None,
    scale: Factor,
    *,
    rule: FocalRule,
    target: Tensor,
    extra: Tensor | None,
) -> Tensor:
    """Sum over a dense target; ``extra`` weighs the cells."""

    def task(*maps: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for chunk, heat, factor, slope in evaluate.chunks(*maps):
            sign, weight = rule.steer(heat.to(evaluate.dtype))
            weight = weight if factor is None else weight * factor
            sums.append(evaluate(chunk, sign, weight, slope).sum())
        return torch.stack(sums).double().sum()

    return run_tasks(task, logits, target, extra, gradient).to(full_precision(logits))


def _sweep_sparse(
    logits: Tensor,
    gradient: Tensor | None,
    scale: Factor,
    *,
    rule: FocalRule,
    cells: _Cells,
    ignored: Tensor | None,
) -> Tensor:
    """Sum over all cells as background, corrected in the listed ones."""

    def background(*maps: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for chunk, hidden, slope in evaluate.chunks(*maps):
            weight = rule.background(hidden, evaluate.dtype)
            sums.append(evaluate(chunk, 1.0, weight, slope).sum())
        return torch.stack(sums).double().sum()

    def correction(*lists: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for positions, heat, share in evaluate.chunks(*lists):
            listed = logits.view(-1)[positions]
            hidden = None if ignored is None else ignored[positions]
            weight = rule.background(hidden, evaluate.dtype)
            sums.append(-evaluate(listed, 1.0, weight, None).mul_(share).sum())
            slopes = torch.empty_like(listed)
            losses = evaluate(listed, *rule.steer(heat, hidden), slopes)
            sums.append(losses.mul_(share).sum())
            if gradient is not None:
                gradient.view(-1).index_copy_(0, positions, slopes)
        return torch.stack(sums).double().sum()

    total = run_tasks(background, logits, ignored, gradient) + run_tasks(
        correction, *cells
    )
    return total.to(full_precision(logits))


class _Cells(NamedTuple):
    """Listed cells of a map; copies of a cell agree.

    Attributes:
        positions: (P,) int64.
        heat: (P,) Gaussian heat Y in full precision.
        share: (P,) one over the number of copies.
    """

    positions: Tensor
    heat: Tensor
    share: Tensor


def _merge_repeats(index: Tensor, heat: Tensor, numel: int) -> _Cells:
    """Give all copies of a cell its highest heat."""
    scratch = heat.new_empty(numel)  # only the listed cells of it are touched
    scratch.index_fill_(0, index, 0.0)
    highest = scratch.scatter_reduce_(0, index, heat, 'amax')[index]
    scratch.index_fill_(0, index, 0.0)
    copies = scratch.index_add_(0, index, torch.ones_like(heat))[index]
    return _Cells(index, highest, 1 / copies)


def _check_cells(index: Tensor, heat: Tensor) -> None:
    if index.dim() != 1 or index.shape != heat.shape:
        raise ValueError(
            f'index has shape {tuple(index.shape)}, heat {tuple(heat.shape)}; '
            'both have to be (P,)'
        )
    if index.dtype != torch.int64:
        raise ValueError(f'index is {index.dtype}; positions have to be int64')
