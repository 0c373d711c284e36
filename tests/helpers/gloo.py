"""Runs a script in a process group of CPUs: `torchrun gloo.py SCRIPT ARGUMENTS`.

mmengine's launcher selects a GPU before it makes a process group, and makes none where
there is one already. So on machines without a GPU the group has to be there first.
"""

import gc
import sys
from runpy import run_path

import torch

if __name__ == '__main__':
    torch.distributed.init_process_group('gloo')
    sys.argv = sys.argv[1:]
    run_path(sys.argv[0], run_name='__main__')
    # The runner and its hooks refer to each other. Left to the end of the interpreter,
    # the model that they hold aborts some runs there: it outlives the group it uses.
    gc.collect()
    torch.distributed.destroy_process_group()
