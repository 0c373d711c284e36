"""Measures time and memory of a run."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Run = Callable[[], object]

RESET_HIGH_WATER_MARK = '5'
"""Value that resets it when written to clear_refs (proc(5))."""


def elapsed(run: Run) -> float:
    """Returns wall-clock seconds until the device has finished."""
    finish_device()
    start = time.perf_counter()
    run()
    finish_device()
    return time.perf_counter() - start


def alternate(
    runs: Mapping[str, Run],
    repeats: int,
    timer: Callable[[Run], float] = elapsed,
) -> dict[str, float]:
    """Returns median seconds of each run; runs alternate, so noise affects all alike.

    Args:
        runs: What to time, by name. Each runs once beforehand, untimed.
        repeats: How often.
        timer: Executes a run and returns its seconds.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timer(run))
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def cpu_seconds(run: Run) -> float:
    """Returns CPU seconds of all threads of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def finish_device() -> None:
    """Waits until the GPU, if there is one, has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_bytes(run: Run, device: str) -> int | None:
    """Returns the peak memory of a run beyond what was allocated before.

    On a CPU it is resident memory as Linux counts it, which includes what torch's own
    statistics omit. None where the system does not report it.
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
    # Memory that the allocator kept would be reused without being counted.
    ctypes.CDLL(None).malloc_trim(0)
    marks.write_text(RESET_HIGH_WATER_MARK)
    before = resident('VmRSS')
    run()
    return resident('VmHWM') - before


def resident(entry: str) -> int:
    """Returns an entry of this process's status in bytes."""
    for line in Path('/proc/self/status').read_text().splitlines():
        name, _, value = line.partition(':')
        if name == entry:
            return int(value.split()[0]) * 1024
    raise KeyError(f'/proc/self/status has no {entry}')
