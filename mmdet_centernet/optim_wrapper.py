"""Optimizer wrapper for mixed precision on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn

__all__ = ['CPUAmpOptimWrapper']


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Runs the forward pass of training under autocast to bfloat16, on a CPU.

    mmengine's ``AmpOptimWrapper`` refuses to run without a GPU. Weights and optimizer
    stay in float32. No loss scale is needed, since bfloat16 has the range of float32.
    Validation and testing run in float32.

    It pays on CPUs that multiply bfloat16 in hardware (AMX, AVX512_BF16); others
    emulate it.

    Args:
        **kwargs: As for mmengine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enables autocast for the forward pass.

        Args:
            model: The model that is trained.
        """
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield
