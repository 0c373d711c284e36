"""How are values and slopes of many cells made without writing maps in between.

Maps are split into tasks, which a CPU spreads over threads; tasks are split into
chunks, whose scratch memory stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmdet_centernet.functional.focal import Factor, full_precision

TASK = 2**20
"""Cells that a thread works through, and an accelerator at once: its scratch stays far
smaller than a batch of maps."""

CPU_CHUNK = 2**15
"""Cells evaluated at once on a CPU. The scratch stays in the cache, and torch runs
operations on so few cells in the calling thread: its own threads would wait for each
other after every operation, endlessly where other processes want the cores too."""


def run_tasks(task: Callable[..., Tensor], *maps: Tensor | None) -> Tensor:
    """Sum of a task's results for the pieces of maps, on a CPU in several threads."""
    pieces = list(split_in_step(TASK, *maps))
    threads = min(torch.get_num_threads(), len(pieces))
    on_cpu = all(part is None or part.device.type == 'cpu' for part in maps)
    if not on_cpu or threads == 1:
        return torch.stack([task(*piece) for piece in pieces]).sum()
    # A new thread would record gradients, whatever its caller does.
    with ThreadPoolExecutor(
        threads, initializer=torch.set_grad_enabled, initargs=(False,)
    ) as pool:
        return torch.stack(list(pool.map(task, *zip(*pieces, strict=True)))).sum()


def split_in_step(size: int, *maps: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Pieces of the cells of maps or lists, in step; of no map, None each time.

    Maps without cells are one piece.
    """
    lists = [cells if cells is None else cells.reshape(-1) for cells in maps]
    numel = max(len(cells) for cells in lists if cells is not None)
    for start in range(0, max(numel, 1), size):
        piece = slice(start, start + size)
        yield tuple(cells if cells is None else cells[piece] for cells in lists)


class ChunkEvaluator:
    """Losses and slopes of up to a chunk of cells, in scratch rows of its own.

    Args:
        logits: The map that the cells come from.
        alpha: Exponent of the wrong answer's probability.
        scale: Factor of the slopes.
    """

    def __init__(self, logits: Tensor, alpha: float, scale: Factor) -> None:
        self.alpha, self.scale = alpha, scale
        self.dtype = full_precision(logits)
        self.size = CPU_CHUNK if logits.device.type == 'cpu' else TASK
        self.rows = list(logits.new_empty((4, self.size), dtype=self.dtype))
        self.zero = logits.new_zeros(())

    def chunks(self, *maps: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """Chunks of cells, small enough for a call."""
        return split_in_step(self.size, *maps)

    def __call__(
        self, logits: Tensor, sign: Factor, weight: Factor, slope: Tensor | None
    ) -> Tensor:
        """Losses, valid until the next call; slopes go to ``slope`` if there is one.

        With the error e, w = sigmoid(e) and s = -log(1 - w), the loss w^a s has the
        slope w^a (w + a (1 - w) s), times the sign with which the logit enters e.
        """
        rows = self.rows
        if len(logits) < self.size:
            rows = [row[: len(logits)] for row in rows]
        error, wrong, loss, rise = rows
        error = _times(logits, sign, out=error)
        torch.sigmoid(error, out=wrong)
        torch.logaddexp(error, self.zero, out=loss)
        if slope is not None:
            torch.neg(error, out=rise).sigmoid_()  # 1 - w, also where w rounds to 1
            torch.addcmul(wrong, rise, loss, value=self.alpha, out=rise)
        wrong = _times(wrong.pow_(self.alpha), weight, out=wrong)
        if slope is not None:
            rise = _times(rise, self.scale * sign, out=rise)
            torch.mul(rise, wrong, out=slope)
        return loss.mul_(wrong)


def _times(values: Tensor, factor: Factor, *, out: Tensor) -> Tensor:
    """Product, written to ``out``; or the values, where it would be the same."""
    if isinstance(factor, float) and factor == 1 and values.dtype == out.dtype:
        return values
    return torch.mul(values, factor, out=out)


def empty_map(logits: Tensor) -> Tensor:
    """An uninitialised map like the logits.

    Linux hands out memory page by page as it is first written, which would take as
    long as the losses do. numpy asks it for huge pages; torch does not.
    """
    if logits.device.type != 'cpu' or logits.numel() == 0:
        return torch.empty_like(logits)
    memory = np.empty(logits.numel() * logits.element_size(), np.uint8)
    return torch.from_numpy(memory).view(logits.dtype).view(logits.shape)
