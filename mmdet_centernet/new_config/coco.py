"""Reads boxes in COCO format: JSON files, and images in some folder."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmdet_centernet.data_report.coco import FIELDS, check_entry, duplicate_ids
from mmdet_centernet.data_report.findings import Problem, sum_up
from mmdet_centernet.new_config.listing import Listing
from mmdet_centernet.new_config.split import ALL, TRAINVAL, Split, split_name

PARTS = ('images', 'annotations', 'categories')
SAMPLE = 50
"""Images that are looked for in each folder."""


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
        split = Split(content, _image_folder(path, names, listing), path)
        splits[name] = locate_images(split, listing)
    if {'train', 'val'} <= splits.keys():
        splits.pop(TRAINVAL, None)
    return splits


def _words(split: str) -> str:
    return 'no split that their names say' if split == ALL else split


def _image_folder(path: Path, names: Sequence[str], listing: Listing) -> Path:
    """The folder below which most of the images lie; of equals the likeliest."""
    some = names[:: max(len(names) // SAMPLE, 1)]

    def count(folder: Path) -> int:
        return sum(os.path.isfile(folder / name) for name in some)

    return max(_likely_folders(path, listing), key=count)


def _likely_folders(path: Path, listing: Listing) -> list[Path]:
    """Folders that images of a file may lie below, the likeliest first."""
    root, split = listing.root, split_name(path, listing.root)
    folders = sorted({folder for image in listing.images for folder in _above(image)})
    inside = [folder for folder in folders if folder.is_relative_to(root)]
    of_split = [folder for folder in inside if split_name(folder, root) == split]
    near = [path.parent] if split in (ALL, split_name(path.parent, root)) else []
    return list(dict.fromkeys(chain(near, of_split, [path.parent], inside)))


def _above(image: Path) -> Iterator[Path]:
    yield from image.parents


def locate_images(split: Split, listing: Listing) -> Split:
    """Name images from the root on, where they do not lie below one folder.

    mmdet looks for all images of a file below one folder. An image that is not there is
    looked for in the others: the one whose path ends like its ``file_name``. Where two
    do, it stays missing.

    Args:
        split: Read from a COCO file.
        listing: Files of the folder.

    Returns:
        The split itself if nothing is missing or found elsewhere, else one without a
        ``source``.
    """
    images = split.content['images']
    names = [image['file_name'] for image in images]
    places = dict(zip(names, map(Path, split.paths), strict=True))
    missing = [name for name, path in places.items() if not path.is_file()]
    found = _elsewhere(missing, listing.images)
    if not found:
        return split
    paths = {**places, **found}
    moved = [
        {**image, 'file_name': _from(listing.root, paths[name])}
        for image, name in zip(images, names, strict=True)
    ]
    return Split({**split.content, 'images': moved}, listing.root)


def _elsewhere(names: Iterable[str], images: Iterable[Path]) -> dict[str, Path]:
    """Names to the only images whose paths end so."""
    known = defaultdict(list)
    for image in images:
        known[image.name].append(image)
    found = {}
    for name in names:
        parts = Path(name).parts
        alike = [p for p in known[Path(name).name] if p.parts[-len(parts) :] == parts]
        if len(alike) == 1:
            found[name] = alike[0]
    return found


def _from(root: Path, path: Path) -> str:
    """A path from the root on, as it is if it lies elsewhere."""
    inside = path.is_relative_to(root)
    return path.relative_to(root).as_posix() if inside else str(path)


COUNTED = ('area', 'iscrowd')
"""Fields that pycocotools asks for; how many boxes lack them is said."""


def field_faults(content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the entries of a COCO file.

    Args:
        content: Its lists ``images``, ``annotations`` and ``categories``.

    Returns:
        Sentences, each with what to do.
    """
    problems = [
        Problem(part + wrong[0], f'{part}[{number}]', wrong[1])
        for part, fields in FIELDS.items()
        for number, entry in enumerate(content[part])
        if (wrong := check_entry(entry, [f for f in fields if f not in COUNTED]))
    ]
    if problems:
        return sum_up(problems)
    return [
        *duplicate_ids(content),
        *_unknown_ids(content),
        *_missing_fields(content['annotations']),
    ]


def _unknown_ids(content: Mapping[str, Any]) -> list[str]:
    """Boxes of images or categories that the file does not list."""
    found = []
    for part, field in (('images', 'image_id'), ('categories', 'category_id')):
        known = {entry['id'] for entry in content[part]}
        strays = [n[field] for n in content['annotations'] if n[field] not in known]
        if strays:
            found.append(
                f'{len(strays)} boxes have a {field} that the list of {part} lacks, '
                f'such as {strays[0]!r}: add it there, or take the boxes away'
            )
    return found


def _missing_fields(annotations: Sequence[Mapping[str, Any]]) -> list[str]:
    advice = dict(
        area='add "area", the width times the height of the bbox',
        iscrowd='add "iscrowd": 0',
    )
    return [
        f'{count} boxes have no {field}, which pycocotools asks for: {words} to them'
        for field, words in advice.items()
        if (count := sum(annotation.get(field) is None for annotation in annotations))
    ]
