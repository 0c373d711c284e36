"""Boxes in COCO's format: JSON files, and photos somewhere below."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmdet_centernet.new_config.fields import field_faults
from mmdet_centernet.new_config.listing import Listing
from mmdet_centernet.new_config.scattered import gather
from mmdet_centernet.new_config.split import ALL, TRAINVAL, Split, split_name

PARTS = ('images', 'annotations', 'categories')
SAMPLE = 50
"""Photos that are looked for in each folder."""


def find_coco(listing: Listing) -> dict[Path, dict[str, Any]]:
    """The JSON files with COCO's parts, and their contents."""
    contents = {path: _load(path) for path in listing.jsons}
    return {path: content for path, content in contents.items() if content}


def _load(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:  # of the encoding, too
        return None
    complete = isinstance(content, dict) and all(
        isinstance(content.get(part), list) for part in PARTS
    )
    return content if complete else None


def read_coco(
    listing: Listing, contents: Mapping[Path, dict[str, Any]]
) -> dict[str, Split]:
    """Read the COCO files of a folder.

    A file for train and val together is left out where both have their own.

    Args:
        listing: Files of the folder.
        contents: What ``find_coco`` found there.

    Raises:
        ValueError: If two files have the same split, or entries lack what mmdet reads.
    """
    splits: dict[str, Split] = {}
    for path, content in contents.items():
        faults = field_faults(content)
        if faults:
            raise ValueError('\n'.join(f'{path}: {fault}' for fault in faults))
        name = split_name(path, listing.root)
        if name in splits:
            raise ValueError(
                f'{splits[name].source} and {path} are both for {_words(name)}: put '
                'train, val or test into the name of each file or of its folder, or '
                'take one away'
            )
        names = [image['file_name'] for image in content['images']]
        split = Split(content, _photo_folder(path, names, listing), path)
        splits[name] = gather(split, listing)
    if {'train', 'val'} <= splits.keys():
        splits.pop(TRAINVAL, None)
    return splits


def _words(split: str) -> str:
    return 'no split that their names say' if split == ALL else split


def _photo_folder(path: Path, names: Sequence[str], listing: Listing) -> Path:
    """The folder below which most of the photos lie; of equals the likeliest."""
    some = names[:: max(len(names) // SAMPLE, 1)]

    def count(folder: Path) -> int:
        return sum(os.path.isfile(folder / name) for name in some)

    return max(_likely_folders(path, listing), key=count)


def _likely_folders(path: Path, listing: Listing) -> list[Path]:
    """Folders that photos of a file may lie below, the likeliest first."""
    root, split = listing.root, split_name(path, listing.root)
    folders = sorted({folder for photo in listing.photos for folder in _above(photo)})
    inside = [folder for folder in folders if folder.is_relative_to(root)]
    of_split = [folder for folder in inside if split_name(folder, root) == split]
    near = [path.parent] if split in (ALL, split_name(path.parent, root)) else []
    return list(dict.fromkeys(chain(near, of_split, [path.parent], inside)))


def _above(photo: Path) -> Iterator[Path]:
    yield from photo.parents
