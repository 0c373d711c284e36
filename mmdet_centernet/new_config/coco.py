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
"""Number of images that are searched in each folder."""


def find_coco(listing: Listing) -> dict[Path, dict[str, Any]]:
    """Returns the contents of the JSON files in COCO format."""
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
    """Reads the COCO files of a folder.

    A trainval file is skipped if train and val have files of their own.

    Args:
        listing: Files of the folder.
        contents: Result of ``find_coco``.

    Raises:
        ValueError: If two files have the same split, or fields for mmdet are missing.
    """
    splits: dict[str, Split] = {}
    for path, content in contents.items():
        faults = field_faults(content)
        if faults:
            raise ValueError('\n'.join(f'{path}: {fault}' for fault in faults))
        name = split_name(path, listing.root)
        if name in splits:
            raise ValueError(
                f'{splits[name].source} and {path} {_words(name)}: put '
                'train, val or test into the name of each file or of its folder, or '
                'remove one'
            )
        names = [image['file_name'] for image in content['images']]
        split = Split(content, _image_folder(path, names, listing), path)
        splits[name] = locate_images(split, listing)
    if {'train', 'val'} <= splits.keys():
        splits.pop(TRAINVAL, None)
    return splits


def _words(split: str) -> str:
    return 'both name no split' if split == ALL else f'are both for {split}'


def _image_folder(path: Path, names: Sequence[str], listing: Listing) -> Path:
    """Finds the folder that contains most of the images; likely ones win ties."""
    some = names[:: max(len(names) // SAMPLE, 1)]

    def count(folder: Path) -> int:
        return sum(os.path.isfile(folder / name) for name in some)

    return max(_likely_folders(path, listing), key=count)


def _likely_folders(path: Path, listing: Listing) -> list[Path]:
    """Lists the folders that may contain the images of a file, likely ones first."""
    root, split = listing.root, split_name(path, listing.root)
    folders = sorted({folder for image in listing.images for folder in _above(image)})
    inside = [folder for folder in folders if folder.is_relative_to(root)]
    of_split = [folder for folder in inside if split_name(folder, root) == split]
    near = [path.parent] if split in (ALL, split_name(path.parent, root)) else []
    return list(dict.fromkeys(chain(near, of_split, [path.parent], inside)))


def _above(image: Path) -> Iterator[Path]:
    yield from image.parents


def locate_images(split: Split, listing: Listing) -> Split:
    """Makes file names relative to the root if images lie in several folders.

    mmdet reads all images of a file from one folder. An image missing there is searched
    in the other folders by the end of its path; if several match, it stays missing.

    Args:
        split: Split of a COCO file.
        listing: Files of the folder.

    Returns:
        The same split if no image was found elsewhere, else one without a ``source``.
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
    """Maps names to images whose paths end with them, where there is only one."""
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
    """Makes a path relative to the root; paths outside it are unchanged."""
    inside = path.is_relative_to(root)
    return path.relative_to(root).as_posix() if inside else str(path)


COUNTED = ('area', 'iscrowd')
"""Fields that pycocotools needs; faults state how many boxes lack them."""


def field_faults(content: Mapping[str, Any]) -> list[str]:
    """Lists the faults in the entries of a COCO file, each with advice.

    Args:
        content: Its lists ``images``, ``annotations`` and ``categories``.
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
    """Reports boxes of images or categories that the file does not list."""
    found = []
    for part, field in (('images', 'image_id'), ('categories', 'category_id')):
        known = {entry['id'] for entry in content[part]}
        strays = [n[field] for n in content['annotations'] if n[field] not in known]
        if strays:
            found.append(
                f'{len(strays)} boxes have a {field} that is not in {part}, such as '
                f'{strays[0]!r}: add it there, or remove the boxes'
            )
    return found


def _missing_fields(annotations: Sequence[Mapping[str, Any]]) -> list[str]:
    advice = dict(
        area='add "area", the width times the height of the bbox',
        iscrowd='add "iscrowd": 0',
    )
    return [
        f'{count} boxes have no {field}, which pycocotools needs: {words} to them'
        for field, words in advice.items()
        if (count := sum(annotation.get(field) is None for annotation in annotations))
    ]
