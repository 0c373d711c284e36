"""How large are photos, and which of them are equal?"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mmdet_centernet.data_report.images import upright_size

UNREADABLE = (0, 0)


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a photo as OpenCV reads it, upright.

    Returns:
        ``UNREADABLE`` for a file that is no photo.
    """
    try:
        return upright_size(str(path))
    except Exception:  # Pillow raises many types; the checks name the file
        return UNREADABLE


def equal_photos(paths: Iterable[str]) -> list[list[str]]:
    """Photos by content, whatever their names are.

    A file is read only where another one has the same length.

    Args:
        paths: Files that are there.

    Returns:
        Groups of equal files, sorted; each is sorted, too.
    """
    lengths = defaultdict(list)
    for path in sorted(set(paths)):
        lengths[Path(path).stat().st_size].append(path)
    groups = defaultdict(list)
    for length, same in lengths.items():
        for path in same:
            groups[length, _content(path) if len(same) > 1 else b''].append(path)
    return sorted(groups.values())


def _content(path: str) -> bytes:
    return hashlib.sha256(Path(path).read_bytes()).digest()
