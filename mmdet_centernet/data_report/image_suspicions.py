"""What is suspicious about the images that an annotation file lists?"""

from __future__ import annotations

import os.path as osp
from pathlib import Path

from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.findings import FEW, Fault, some
from mmdet_centernet.data_report.images import broken_images, other_sizes

MANY = 10
"""How many missing or broken images are named."""


def suspect_images(file: Annotations) -> list[str]:
    """What is wrong with the images of a file; those on a server are not looked at.

    Returns:
        Sentences, each with what to do.
    """
    if not file.has_local_images:
        return []
    return [*_missing_images(file), *_broken_images(file), *_other_sizes(file)]


def _missing_images(file: Annotations) -> list[str]:
    missing = [path for path in file.image_paths if not osp.isfile(path)]
    if not missing:
        return []
    return [
        Fault(
            f'{file.source}: {len(missing)} of {len(file.image_paths)} images are not '
            f'where data_prefix says: {some(missing, MANY)}{_alike(missing[0])}'
        )
    ]


def _alike(path: str) -> str:
    """Whether a file lies there whose name has another suffix, or other letters."""
    if '\\' in path:
        return '. Folders have to be parted by / and not by \\'
    try:
        beside = [p for p in Path(path).parent.iterdir() if p.is_file()]
    except (OSError, ValueError):
        return ''
    stem = Path(path).stem.lower()
    others = sorted(p.name for p in beside if p.stem.lower() == stem)
    return f'. There is {others[0]}: mmdet wants the exact name' if others else ''


def _broken_images(file: Annotations) -> list[str]:
    broken = broken_images(file.image_paths, file.decoder)
    if not broken:
        return []
    why = '; '.join(f'{path}: {text}' for path, text in list(broken.items())[:FEW])
    return [
        Fault(
            f'{file.source}: {len(broken)} images cannot be read '
            f'({some(list(broken), MANY)}), {why}. Copy them once more, or take them '
            'out of the file'
        )
    ]


def _other_sizes(file: Annotations) -> list[str]:
    others = other_sizes(file.image_paths, file.image_sizes)
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{file.source}: {len(others)} images are not as large as the file says '
        f'({some(list(others))}), {path} has {width} x {height} pixels. Where width '
        'and height are exchanged the photo is turned by its EXIF tag: boxes have to '
        'be those of the upright image'
    ]
