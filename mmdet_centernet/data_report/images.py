"""Finds images that cannot be read, have another size, or occur twice."""

from __future__ import annotations

import hashlib
import os.path as osp
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin
from tqdm import tqdm

from mmdet_centernet.reason import reason

ROTATED = (5, 6, 7, 8)
"""Values of EXIF's orientation tag that swap width and height."""
OPENCV = 'cv2'
"""mmcv's default ``imdecode_backend``."""
KNOWN_TO_BOTH = ('BMP', 'JPEG', 'JPEG2000', 'PNG', 'PPM', 'TIFF', 'WEBP')
"""Formats that OpenCV reads if Pillow, which is faster, does."""


class Duplicates(NamedTuple):
    """Files of two splits with the same content.

    Attributes:
        splits: Names of the splits.
        paths: For each content, one path of each split.
    """

    splits: tuple[str, str]
    paths: list[tuple[str, str]]


def broken_images(paths: Iterable[str], decoder: str = OPENCV) -> dict[str, str]:
    """Reads images to their end and returns those that fail.

    Args:
        paths: Image files; missing files are skipped.
        decoder: The pipeline's ``imdecode_backend``.

    Returns:
        Path to reason.
    """
    found = {}
    for path in tqdm(_existing(paths), 'reading images', unit='image', leave=False):
        try:
            if not _is_readable(path, decoder):
                found[path] = f'OpenCV {cv2.__version__} cannot read it'
        except Exception as error:  # Pillow and its plugins raise many types
            found[path] = reason(error)
    return found


def other_sizes(paths: Iterable[str], sizes: np.ndarray) -> dict[str, tuple[int, int]]:
    """Finds images whose size differs from that in the annotations.

    OpenCV rotates images by their EXIF tag. Annotation tools that ignore the tag give
    boxes in the pixels of the unrotated image.

    Args:
        paths: Image files; missing and broken files are skipped.
        sizes: (I, 2) annotated width and height; NaN if unknown.

    Returns:
        Path to the width and height that mmdet reads.
    """
    found = {}
    for path, expected in zip(paths, sizes.tolist(), strict=True):
        size = _size_or_none(path) if np.isfinite(expected).all() else None
        if size is not None and list(size) != expected:
            found[path] = size
    return found


def upright_size(path: str) -> tuple[int, int]:
    """Returns width and height of an image after rotation by its EXIF tag.

    Raises:
        OSError: If it cannot be read; Pillow raises other types as well.
    """
    with Image.open(path) as image:
        width, height = _stored_size(image)
        is_rotated = image.getexif().get(ExifTags.Base.Orientation) in ROTATED
    return (height, width) if is_rotated else (width, height)


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Returns width and height without rotation; Pillow has rotated those of TIFF."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH
        width, height = (image.tag_v2[tag] for tag in tags)
        return width, height
    return image.size


def find_duplicates(splits: Mapping[str, Iterable[str]]) -> list[Duplicates]:
    """Finds images with the same content in two splits.

    Only files of equal length are read. Missing, empty and unreadable files are
    skipped.

    Args:
        splits: Split to the paths of its images.

    Returns:
        An entry for each pair of splits that share an image.
    """
    lengths = {split: _by_length(paths) for split, paths in splits.items()}
    found = []
    for one, other in combinations(lengths, 2):
        pairs = []
        for length in sorted(lengths[one].keys() & lengths[other].keys()):
            first, second = (
                {_digest_or_none(path): path for path in lengths[split][length]}
                for split in (one, other)
            )
            same = (first.keys() & second.keys()) - {None}
            pairs += [(first[key], second[key]) for key in same]
        if pairs:
            found.append(Duplicates((one, other), sorted(pairs)))
    return found


def file_digest(path: str) -> bytes:
    """Computes the SHA-256 of the content of a file.

    Raises:
        OSError: If it cannot be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).digest()


def _by_length(paths: Iterable[str]) -> dict[int, list[str]]:
    """Groups files by their length in bytes."""
    found = defaultdict(list)
    for path in _existing(paths):
        if osp.getsize(path):
            found[osp.getsize(path)].append(path)
    return found


def _digest_or_none(path: str) -> bytes | None:
    try:
        return file_digest(path)
    except OSError:
        return None


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in dict.fromkeys(paths) if osp.isfile(path)]


def _size_or_none(path: str) -> tuple[int, int] | None:
    try:
        return upright_size(path)
    except Exception:  # broken_images reports it
        return None


def _is_readable(path: str, decoder: str) -> bool:
    """Reads the whole file; JPEGs are decoded at their smallest scale only."""
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
    content = np.frombuffer(Path(path).read_bytes(), np.uint8)
    try:
        return cv2.imdecode(content, cv2.IMREAD_COLOR) is not None
    except cv2.error:
        return False
