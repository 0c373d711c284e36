"""Sum of the focal loss over a batch of heatmaps.

A composition of tensor operations would allocate a dozen maps. This module computes
value and gradient in one pass and writes no other full-size map. It splits the cells
into tasks, which run in several threads on a CPU, and tasks into chunks, whose scratch
memory stays in the cache.

Legend: P listed cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdet_centernet.functional.focal import (
    Factor,
    FocalRule,
    check_same_shape,
    full_precision,
)

try:
    from torch.compiler import is_compiling
except ImportError:  # before torch 2.3, which gave it the public name
    from torch._utils import is_compiling

TASK = 2**20
"""Cells of a task: a CPU thread processes them in chunks, an accelerator at once. Its
scratch memory is far smaller than a batch of maps."""

CPU_CHUNK = 2**15
"""Cells evaluated at once on a CPU. The scratch stays in the cache, and torch runs
operations of this size in the calling thread. Its own threads would synchronize after
every operation, which takes long where other processes use the cores too."""

EXACT_COMPLEMENT = 0.95
"""Probability w below which the difference 1 - w is precise enough in w's own type:
above, sigmoid(-x) is."""

PAPER = FocalRule()

Sweep = Callable[[Tensor, Tensor | None, Factor], Tensor]
"""Sums the losses of contiguous logits and writes their gradient, times a factor."""


def gaussian_focal_loss_sum(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    rule: FocalRule = PAPER,
) -> Tensor:
    """Computes the sum of ``gaussian_focal_loss_with_logits`` over all cells.

    Only the logits receive a gradient, and it cannot be differentiated again.

    Args:
        logits: Heatmap before the sigmoid, any shape.
        target: Gaussian heat Y in [0, 1], same shape.
        weight: Factor of each cell's loss, broadcastable to the logits.
        rule: Exponents and weights, by default the paper's.

    Returns:
        The sum, 0-dim, in full precision.

    Raises:
        ValueError: If the shapes differ.
    """
    check_same_shape(logits, target)
    target = target.detach()
    extra = None if weight is None else weight.detach().expand_as(logits)
    if is_compiling():  # a compiler fuses this better than chunks do
        heat = target.to(full_precision(logits))
        losses = rule.losses(logits, *rule.sign_and_weight(heat))
        return (losses if extra is None else losses * extra).sum()
    sweep = partial(_sweep_dense, rule=rule, target=target, extra=extra)
    return _SumWithGradient.apply(logits, sweep)


def gaussian_focal_loss_sparse(
    logits: Tensor,
    index: Tensor,
    heat: Tensor,
    ignored: Tensor | None = None,
    *,
    rule: FocalRule = PAPER,
) -> Tensor:
    """Computes the same sum for a target that is 0 except in the listed cells.

    The target map is allocated under ``torch.compile`` only. Otherwise the function
    computes the loss of all cells as background and corrects it in the listed cells. A
    cell that is listed repeatedly counts once, with its highest heat, as where
    Gaussians overlap; a heat of 0 changes nothing. There is no sync with the device.

    Args:
        logits: Heatmap before the sigmoid, any shape.
        index: (P,) int64 positions of the cells in ``logits.flatten()``.
        heat: (P,) Gaussian heat Y in [0, 1]; peaks are the cells of heat 1.
        ignored: Bool, broadcastable to the logits: cells without loss, except peaks.
        rule: Exponents and weights, by default the paper's.

    Returns:
        The sum, 0-dim, in full precision.

    Raises:
        ValueError: If the cells are not given by P int64 positions and P values.
    """
    _check_cells(index, heat)
    if ignored is not None:
        ignored = ignored.expand_as(logits).reshape(-1)
    heat = heat.detach().to(full_precision(logits))
    if is_compiling():  # a compiler fuses this better than chunks do
        target = heat.new_zeros(logits.numel()).scatter_reduce(0, index, heat, 'amax')
        sign, weight = rule.sign_and_weight(target, ignored)
        return rule.losses(logits.flatten(), sign, weight).sum()
    cells = _merge_repeats(index, heat, logits.numel())
    sweep = partial(_sweep_sparse, rule=rule, cells=cells, ignored=ignored)
    return _SumWithGradient.apply(logits, sweep)


class _SumWithGradient(torch.autograd.Function):
    """Sum of a sweep, which computes the gradient in the same pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, sweep: Sweep) -> Tensor:
        logits = logits.contiguous()
        ctx.sweep = sweep
        ctx.save_for_backward(logits)
        # In half precision gradients underflow without the loss scale, which is known
        # in the backward pass only, so they are computed there.
        early = ctx.needs_input_grad[0] and logits.dtype == full_precision(logits)
        ctx.gradient = empty_map(logits) if early else None
        return sweep(logits, ctx.gradient, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        # The buffer is scaled in place and returned, so that a second backward pass
        # through a retained graph computes it again.
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
    """Sums over a dense target; ``extra`` is a factor of each cell."""

    def task(*maps: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for chunk, heat, factor, out in evaluate.chunks(*maps):
            sign, weight = rule.sign_and_weight(heat.to(evaluate.dtype))
            weight = weight if factor is None else weight * factor
            sums.append(evaluate(chunk, sign, weight, out).sum())
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
    """Sums over all cells as background and corrects the listed cells.

    For the formula see :meth:`FocalRule.losses`; this computes the same.
    """

    def background(*maps: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for chunk, without_loss, out in evaluate.chunks(*maps):
            weight = rule.background(without_loss, evaluate.dtype)
            sums.append(evaluate(chunk, 1.0, weight, out).sum())
        return torch.stack(sums).double().sum()

    def correction(*lists: Tensor | None) -> Tensor:
        evaluate = ChunkEvaluator(logits, rule.alpha, scale)
        sums = []
        for positions, heat, share in evaluate.chunks(*lists):
            listed = logits.view(-1)[positions]
            without_loss = None if ignored is None else ignored[positions]
            weight = rule.background(without_loss, evaluate.dtype)
            sums.append(-evaluate(listed, 1.0, weight, None).mul_(share).sum())
            gradients = torch.empty_like(listed)
            sign, weight = rule.sign_and_weight(heat, without_loss)
            losses = evaluate(listed, sign, weight, gradients)
            sums.append(losses.mul_(share).sum())
            if gradient is not None:
                gradient.view(-1).index_copy_(0, positions, gradients)
        return torch.stack(sums).double().sum()

    total = run_tasks(background, logits, ignored, gradient) + run_tasks(
        correction, *cells
    )
    return total.to(full_precision(logits))


class _Cells(NamedTuple):
    """Listed cells of a map; all copies of a cell have the same heat.

    Attributes:
        positions: (P,) int64.
        heat: (P,) Gaussian heat Y in full precision.
        share: (P,) one over the number of copies.
    """

    positions: Tensor
    heat: Tensor
    share: Tensor


def _merge_repeats(index: Tensor, heat: Tensor, numel: int) -> _Cells:
    """Sets the heat of all copies of a cell to its highest."""
    scratch = heat.new_empty(numel)  # only listed cells are written or read
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


def run_tasks(task: Callable[..., Tensor], *maps: Tensor | None) -> Tensor:
    """Sums the results of a task over pieces of maps, on a CPU in several threads."""
    pieces = list(split_in_step(TASK, *maps))
    threads = min(torch.get_num_threads(), len(pieces))
    on_cpu = all(part is None or part.device.type == 'cpu' for part in maps)
    if not on_cpu or threads == 1:
        return torch.stack([task(*piece) for piece in pieces]).sum()
    # Gradient mode is a state of the thread, and new threads start with it on.
    with ThreadPoolExecutor(
        threads, initializer=torch.set_grad_enabled, initargs=(False,)
    ) as pool:
        return torch.stack(list(pool.map(task, *zip(*pieces, strict=True)))).sum()


def split_in_step(size: int, *maps: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Yields the pieces of several maps or lists together; None for a map that is None.

    Maps without cells are one piece.
    """
    # An empty tensor splits into one empty piece.
    pieces = [
        None if cells is None else cells.reshape(-1).split(size) for cells in maps
    ]
    count = max(len(split) for split in pieces if split is not None)
    return zip(*(split or (None,) * count for split in pieces), strict=True)


class ChunkEvaluator:
    """Computes losses and gradients of a chunk of cells in its own scratch memory.

    Args:
        logits: The map that the cells come from.
        alpha: Exponent of the wrong class's probability.
        scale: Factor of the gradients.
    """

    def __init__(self, logits: Tensor, alpha: float, scale: Factor) -> None:
        self.alpha, self.scale = alpha, scale
        self.dtype = full_precision(logits)
        self.on_cpu = logits.device.type == 'cpu'
        self.size = CPU_CHUNK if self.on_cpu else TASK
        self.rows = list(logits.new_empty((4, self.size), dtype=self.dtype))
        self.zero, self.one = logits.new_zeros(()), logits.new_ones(())

    def chunks(self, *maps: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """Yields chunks of cells, small enough for a call."""
        return split_in_step(self.size, *maps)

    def __call__(
        self, logits: Tensor, sign: Factor, weight: Factor, out: Tensor | None
    ) -> Tensor:
        """Returns losses, valid until the next call, and writes gradients to ``out``.

        With the error e, w = sigmoid(e) and s = -log(1 - w), the loss w^a s has the
        gradient w^a (w + a (1 - w) s), times the sign with which the logit enters e.
        """
        rows, count = self.rows, logits.numel()
        if count < self.size:
            rows = [row[:count] for row in rows]
        error, wrong, right, loss = rows
        error = _times(logits, sign, out=error)
        torch.sigmoid(error, out=wrong)
        # On a CPU the values of the chunk decide how 1 - w and s are computed: `log` is
        # seven times as fast as `logaddexp`. On an accelerator reading them is a sync.
        largest = wrong.amax().item() if self.on_cpu and count else 1.0
        if largest < EXACT_COMPLEMENT:
            torch.sub(self.one, wrong, out=right)
        elif largest < 1 or out is not None:
            torch.neg(error, out=right).sigmoid_()
        if largest < 1:
            # right is 1 - w, rounded by (right - 1) + w. Without that term s would have
            # no correct digit where w is small.
            log = torch.log(right, out=rows[0])
            torch.sub(right, 1, out=loss).add_(wrong).sub_(log)
        else:
            torch.logaddexp(error, self.zero, out=loss)
        growth = right
        if out is not None:
            torch.addcmul(wrong, right, loss, value=self.alpha, out=growth)
        wrong = _times(wrong.pow_(self.alpha), weight, out=wrong)
        if out is not None:
            growth = _times(growth, self.scale * sign, out=growth)
            torch.mul(growth, wrong, out=out)
        return loss.mul_(wrong)


def _times(values: Tensor, factor: Factor, *, out: Tensor) -> Tensor:
    """Writes the product to ``out``, or returns the values if the factor is 1."""
    if isinstance(factor, float) and factor == 1 and values.dtype == out.dtype:
        return values
    return torch.mul(values, factor, out=out)


def empty_map(logits: Tensor) -> Tensor:
    """Allocates a map like the logits.

    Linux maps memory page by page at the first write, which would take as long as the
    losses. numpy requests huge pages for large arrays; torch does not.
    """
    if logits.device.type != 'cpu' or logits.numel() == 0:
        return torch.empty_like(logits)
    memory = np.empty(logits.numel() * logits.element_size(), np.uint8)
    return torch.from_numpy(memory).view(logits.dtype).view(logits.shape)
