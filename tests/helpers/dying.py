"""A process that is killed while others train with it."""

import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DyingHook(Hook):
    """Kills the second process before its first step."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
