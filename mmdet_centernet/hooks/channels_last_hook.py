"""Hook that trains and tests with weights in the memory format channels_last."""

from __future__ import annotations

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Converts the weights of convolutions to ``torch.channels_last``.

    Convolutions then return maps of that format, whatever the format of their input.
    Results stay the same up to rounding, and checkpoints fit models of either format.
    docs/performance.md lists what it saves on a CPU.
    """

    # Not before_run: weights are initialized after it, and random numbers fill them in
    # the order of memory, so that a seed would give other weights.

    def before_train(self, runner: Runner) -> None:
        """Converts the model for training."""
        _convert(runner)

    def before_val(self, runner: Runner) -> None:
        """Converts the model for validation."""
        _convert(runner)

    def before_test(self, runner: Runner) -> None:
        """Converts the model for testing."""
        _convert(runner)


def _convert(runner: Runner) -> None:
    runner.model.to(memory_format=torch.channels_last)
