"""Lists the files of a folder by kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet_centernet.data_report.images import upright_size

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
OWN_FOLDER = 'new_config'
"""Subfolder of the data for files that new-config writes; it is not searched."""


@dataclass(frozen=True)
class Listing:
    """Files by suffix, sorted.

    Attributes:
        root: The folder.
        images: Images.
        jsons: JSON files.
        xmls: XML files.
        texts: Text files.
        yamls: YAML files.
    """

    root: Path
    images: tuple[Path, ...]
    jsons: tuple[Path, ...]
    xmls: tuple[Path, ...]
    texts: tuple[Path, ...]
    yamls: tuple[Path, ...]


def list_files(root: Path) -> Listing:
    """Lists the files in a folder and its subfolders, except hidden ones.

    Raises:
        NotADirectoryError: If there is no such folder.
    """
    root = root.absolute()
    if not root.is_dir():
        raise NotADirectoryError(f'{root} is not a folder')
    files = sorted(_walk(root))

    def of(*suffixes: str) -> tuple[Path, ...]:
        return tuple(path for path in files if path.suffix.lower() in suffixes)

    return Listing(
        root,
        of(*IMAGE_SUFFIXES),
        of('.json'),
        of('.xml'),
        of('.txt'),
        of('.yaml', '.yml'),
    )


def _walk(root: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(root, followlinks=True):
        inner[:] = [n for n in inner if not n.startswith('.') and n != OWN_FOLDER]
        yield from (Path(folder, name) for name in names if not name.startswith('.'))


UNREADABLE = (0, 0)


def size_of(path: Path) -> tuple[int, int]:
    """Returns width and height of an image as OpenCV reads it, EXIF rotation applied.

    Returns:
        ``UNREADABLE`` if the file is not an image.
    """
    try:
        return upright_size(str(path))
    except Exception:  # Pillow raises many types; the checks report the file
        return UNREADABLE
