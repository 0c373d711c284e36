"""How long does it take, and how much memory?"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Run = Callable[[], object]

RESET_HIGH_WATER_MARK = '5'
"""What Linux wants written to clear_refs (proc(5))."""


def alternate(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Median seconds of each run, taken in turns so that noise strikes all alike.

    Args:
        runs: What to time, by name. Each runs once beforehand, untimed.
        repeats: How often.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(elapsed(run))
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def elapsed(run: Run) -> float:
    """Seconds by the wall, up to the end of the device's work."""
    finish_device()
    start = time.perf_counter()
    run()
    finish_device()
    return time.perf_counter() - start


def cpu_seconds(run: Run) -> float:
    """Seconds that all threads of this process computed."""
    start = time.process_time()
    run()
    return time.process_time() - start


def finish_device() -> None:
    """Wait until the GPU, where there is one, has nothing left to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_bytes(run: Run, device: str) -> int | None:
    """Most memory that a run held beyond what was there before.

    On a CPU it is resident memory as Linux counts it, which sees what torch's own
    statistics leave out. None where it cannot be told.
    """
    if device.startswith('cuda'):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    marks = Path('/proc/self/clear_refs')
    if not marks.exists():
        return None
    run()
    # What the allocator kept would be taken again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    marks.write_text(RESET_HIGH_WATER_MARK)
    before = resident('VmRSS')
    run()
    return resident('VmHWM') - before


def resident(entry: str) -> int:
    """An entry of this process's status in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == entry:
            return int(value.split()[0]) * 1024
    raise KeyError(f'/proc/self/status has no {entry}')
