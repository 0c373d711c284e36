"""How much memory is there for a training?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

UNKNOWN = 4 << 30
"""Bytes that are assumed where the system does not say."""
VERSIONS = {
    '': ('', ('memory.max', 'memory.current')),
    'memory': ('memory', ('memory.limit_in_bytes', 'memory.usage_in_bytes')),
}
"""Controllers of Linux's control groups, version 2 and 1, to folder and files."""
CACHED = 'inactive_file'
"""Files in memory that make room, a part of what is used."""


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
    free = int(rows['MemAvailable'].split()[0]) << 10 if rows else UNKNOWN
    return min([free, *left_by_groups()])


def left_by_groups(
    root: Path = Path('/sys/fs/cgroup'), own: Path = Path('/proc/self/cgroup')
) -> list[int]:
    """What limits of control groups leave, as containers and job queues set them.

    Args:
        root: Where the groups are.
        own: Says which groups this process is in.

    Returns:
        Bytes for each limit; none where there is no limit, or no such system.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers in VERSIONS:
            folder, files = VERSIONS[controllers]
            inside = Path(group.lstrip('/'))
            places = [root / folder / one for one in (inside, *inside.parents)]
            found += [_left(place, *files) for place in places]
    return [left for left in found if left is not None]


def _left(folder: Path, limit: str, used: str) -> int | None:
    """Bytes up to the limit of a group; files that were read may be forgotten."""
    try:
        most, taken = ((folder / name).read_text().strip() for name in (limit, used))
        rows = (folder / 'memory.stat').read_text().splitlines()
    except OSError:
        return None
    if not most.isdigit():  # version 2 says max
        return None
    numbers = dict(row.split(maxsplit=1) for row in rows)
    return max(int(most) - int(taken) + int(numbers.get(CACHED, 0)), 0)
