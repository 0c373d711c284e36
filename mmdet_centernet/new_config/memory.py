"""How much memory is there for a training?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

UNKNOWN = 4 << 30
"""Bytes that are assumed where the system does not say."""


class Memory(NamedTuple):
    """Memory of the device that mmengine would train on.

    Attributes:
        free: Bytes.
        on_gpu: Whether it is a GPU's.
    """

    free: int
    on_gpu: bool


def available_memory() -> Memory:
    """The memory that is free now."""
    if torch.cuda.is_available():
        return Memory(torch.cuda.mem_get_info()[0], on_gpu=True)
    return Memory(_of_the_system(), on_gpu=False)


def _of_the_system() -> int:
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return UNKNOWN
    rows = dict(line.split(':', 1) for line in lines if ':' in line)
    return int(rows['MemAvailable'].split()[0]) << 10 if rows else UNKNOWN
