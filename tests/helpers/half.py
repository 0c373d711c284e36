"""What this torch does in float16 on a CPU; before 2.3 that is little."""

import warnings

import pytest
import torch
import torch.nn.functional as F


def _works(call):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            call()
    except (RuntimeError, UserWarning):
        return False
    return True


def _autocast():
    with torch.autocast('cpu', torch.float16):
        pass


needs_pooling = pytest.mark.skipif(
    not _works(lambda: F.max_pool2d(torch.zeros(1, 1, 2, 2).half(), 2)),
    reason='this torch does not pool float16 on a CPU',
)
needs_sigmoid = pytest.mark.skipif(
    not _works(lambda: torch.zeros(1).half().sigmoid()),
    reason='this torch has no sigmoid of float16 on a CPU',
)
AUTOCAST_DTYPES = [
    pytest.param(
        torch.float16,
        marks=pytest.mark.skipif(
            not _works(_autocast), reason='this torch has no float16 autocast on a CPU'
        ),
    ),
    torch.bfloat16,
]
