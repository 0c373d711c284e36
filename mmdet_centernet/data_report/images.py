"""Can all images be read, and are they as large as their annotations say?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

LYING = (5, 6, 7, 8)
"""Values of the tag for images that were taken with the camera on its side."""


def broken_images(paths: Iterable[str]) -> dict[str, str]:
    """Images that are there and cannot be read to their end.

    Args:
        paths: Image files; missing ones are not looked at.

    Returns:
        Path to what is wrong with it.
    """
    found = {}
    for path in tqdm(_existing(paths), 'reading images', unit='image', leave=False):
        try:
            _read(path)
        except (OSError, SyntaxError, ValueError) as error:  # as Pillow says it
            found[path] = str(error)
    return found


def other_sizes(paths: Iterable[str], sizes: np.ndarray) -> dict[str, tuple[int, int]]:
    """Images of another size than their annotations say.

    OpenCV turns photos upright, as a tag in them asks; tools for annotation often do
    not, and then all boxes lie elsewhere.

    Args:
        paths: Image files; missing and broken ones are not looked at.
        sizes: (I, 2) width and height of each.

    Returns:
        Path to the width and height that mmdet reads.
    """
    found = {}
    for path, expected in zip(paths, sizes.tolist(), strict=True):
        try:
            size = _size(path)
        except (OSError, SyntaxError, ValueError):
            continue
        if list(size) != expected:
            found[path] = size
    return found


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(paths) if Path(path).is_file()]


def _read(path: str) -> None:
    """Read all of a file; of a JPEG no more than its coarsest version is decoded."""
    with Image.open(path) as image:
        image.draft('L', (1, 1))
        image.load()


def _size(path: str) -> tuple[int, int]:
    """Width and height of an image that stands upright."""
    with Image.open(path) as image:
        width, height = image.size
        lying = image.getexif().get(ExifTags.Base.Orientation) in LYING
    return (height, width) if lying else (width, height)
