"""Can all images be read, and are they as large as their annotations say?"""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterable
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import ExifTags, Image
from tqdm import tqdm

from mmdet_centernet.reason import reason

LYING = (5, 6, 7, 8)
"""Values of the tag for images that were taken with the camera on its side."""
OPENCV = 'cv2'
"""What mmcv decodes images with unless told otherwise."""
KNOWN_TO_BOTH = ('BMP', 'JPEG', 'JPEG2000', 'PNG', 'PPM', 'TIFF', 'WEBP')
"""Formats of which Pillow, which is faster, says whether OpenCV reads them."""


def broken_images(paths: Iterable[str], decoder: str = OPENCV) -> dict[str, str]:
    """Images that are there and cannot be read to their end.

    Args:
        paths: Image files; missing ones are not looked at.
        decoder: What the pipeline reads them with, by the name that mmcv has for it.

    Returns:
        Path to what is wrong with it.
    """
    found = {}
    for path in tqdm(_existing(paths), 'reading images', unit='image', leave=False):
        try:
            if not _read(path, decoder):
                found[path] = f'OpenCV {cv2.__version__} cannot read it'
        except Exception as error:  # Pillow and its plugins raise many kinds
            found[path] = reason(error)
    return found


def other_sizes(paths: Iterable[str], sizes: np.ndarray) -> dict[str, tuple[int, int]]:
    """Images of another size than their annotations say.

    OpenCV turns photos upright, as a tag in them asks; tools for annotation often do
    not, and then all boxes lie elsewhere.

    Args:
        paths: Image files; missing and broken ones are not looked at.
        sizes: (I, 2) width and height of each; NaN where nothing is said.

    Returns:
        Path to the width and height that mmdet reads.
    """
    found = {}
    for path, expected in zip(paths, sizes.tolist(), strict=True):
        size = _size(path) if np.isfinite(expected).all() else None
        if size is not None and list(size) != expected:
            found[path] = size
    return found


def upright_size(path: str) -> tuple[int, int]:
    """Width and height of an image that stands upright.

    Raises:
        OSError: If it cannot be read; Pillow raises other types as well.
    """
    with Image.open(path) as image:
        width, height = image.size
        lying = image.getexif().get(ExifTags.Base.Orientation) in LYING
    return (height, width) if lying else (width, height)


def _size(path: str) -> tuple[int, int] | None:
    try:
        return upright_size(path)
    except Exception:  # it is named among the broken ones
        return None


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(paths) if osp.isfile(path)]


def _read(path: str, decoder: str) -> bool:
    """Read all of a file; of a JPEG no more than its coarsest version is decoded."""
    if not osp.getsize(path):
        raise ValueError('the file is empty')
    if decoder != OPENCV:
        return mmcv.imfrombytes(Path(path).read_bytes(), backend=decoder) is not None
    try:
        with Image.open(path) as image:
            image.draft('L', (1, 1))
            image.load()
            known = image.format in KNOWN_TO_BOTH
    except (Image.UnidentifiedImageError, Image.DecompressionBombError):
        known = False
    return known or _opencv_reads(path)


def _opencv_reads(path: str) -> bool:
    """Whether OpenCV reads a file, as mmdet does."""
    try:
        return cv2.imdecode(_bytes(path), cv2.IMREAD_COLOR) is not None
    except cv2.error:
        return False


def _bytes(path: str) -> np.ndarray:
    return np.frombuffer(Path(path).read_bytes(), np.uint8)
