"""Findings on the images that annotation files list."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmdet_centernet.data_report.annotations import Annotations
from mmdet_centernet.data_report.findings import MAX_EXAMPLES, Fault, some
from mmdet_centernet.data_report.images import (
    broken_images,
    find_duplicates,
    other_sizes,
)

MAX_IMAGES = 10
"""Missing or broken images that a finding names."""


def check_images(file: Annotations) -> list[str]:
    """Returns findings on the images of a file; images on a server are skipped."""
    if not file.has_local_images:
        return []
    return [*_missing_images(file), *_broken_images(file), *_other_sizes(file)]


def check_duplicates(splits: Mapping[str, Sequence[Annotations]]) -> list[str]:
    """Returns findings on images that occur in two splits.

    Args:
        splits: Split, such as ``train``, to its files.
    """
    paths = {
        split: [path for f in files if f.has_local_images for path in f.image_paths]
        for split, files in splits.items()
    }
    return [
        f'{len(found.paths)} images are in both {" and ".join(found.splits)}, such as '
        f'{" = ".join(found.paths[0])}: remove them from one of the two, so that the '
        'evaluation uses unseen images'
        for found in find_duplicates(paths)
    ]


def _missing_images(file: Annotations) -> list[str]:
    missing = [path for path in file.image_paths if not osp.isfile(path)]
    if not missing:
        return []
    return [
        Fault(
            f'{file.source}: {len(missing)} of {len(file.image_paths)} images do not '
            f'exist; check data_prefix: {some(missing, MAX_IMAGES)}'
            f'{_similar_name(missing[0])}'
        )
    ]


def _similar_name(path: str) -> str:
    """Names a file that differs from a missing one in suffix or case only."""
    if '\\' in path:
        return '. Separate folders by / instead of \\'
    try:
        beside = [p for p in Path(path).parent.iterdir() if p.is_file()]
    except (OSError, ValueError):
        return ''
    stem = Path(path).stem.lower()
    others = sorted(p.name for p in beside if p.stem.lower() == stem)
    return f'. The folder has {others[0]}: use the exact name' if others else ''


def _broken_images(file: Annotations) -> list[str]:
    broken = broken_images(file.image_paths, file.decoder)
    if not broken:
        return []
    examples = list(broken.items())[:MAX_EXAMPLES]
    reasons = '; '.join(f'{path}: {text}' for path, text in examples)
    return [
        Fault(
            f'{file.source}: {len(broken)} images cannot be read '
            f'({some(list(broken), MAX_IMAGES)}), {reasons}. Copy them again or remove '
            'them from the file'
        )
    ]


def _other_sizes(file: Annotations) -> list[str]:
    others = other_sizes(file.image_paths, file.image_sizes)
    if not others:
        return []
    path, (width, height) = next(iter(others.items()))
    return [
        f'{file.source}: {len(others)} images have another size than the file gives '
        f'({some(list(others))}), {path} has {width} x {height} pixels. If width and '
        'height are swapped, an EXIF tag rotates the image: boxes have to be in pixels '
        'of the rotated image'
    ]
