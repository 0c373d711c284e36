"""Which photos with YOLO labels belong to which split?"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmdet_centernet.new_config.listing import PHOTOS, Listing
from mmdet_centernet.new_config.split import NAMES, split_name

KEYS = ('train', 'val', 'test')


def members(listing: Listing) -> dict[str, list[Path]]:
    """Split to its photos.

    Lists such as ``train.txt`` say it, else the folders that a ``data.yaml`` names for
    train and val, else the names of folders.

    Raises:
        ValueError: If a list names photos that are not there.
    """
    lists = [text for text in listing.texts if text.stem in NAMES and _is_list(text)]
    if lists:
        return {NAMES[text.stem]: _listed(text, listing.photos) for text in lists}
    for path in listing.yamls:
        found = _by_folders(load_yaml(path), path.parent, listing)
        if found:
            return found
    by_name = defaultdict(list)
    for photo in listing.photos:
        by_name[split_name(photo.parent, listing.root)].append(photo)
    return by_name


def _lines(text: Path) -> list[str]:
    return list(filter(None, map(str.strip, text.read_text('utf-8').splitlines())))


def _is_list(text: Path) -> bool:
    lines = _lines(text)
    return bool(lines) and all(line.lower().endswith(PHOTOS) for line in lines)


def _listed(text: Path, photos: Sequence[Path]) -> list[Path]:
    """Photos of a list, whose paths may begin with folders of another computer."""
    known = defaultdict(list)
    for photo in photos:
        known[photo.name].append(photo)
    lines = [Path(line.replace('\\', '/')) for line in _lines(text)]
    missing = [str(line) for line in lines if line.name not in known]
    if missing:
        raise ValueError(
            f'{text} lists {len(missing)} photos that are not there, such as '
            f'{missing[0]}: copy them, or take the lines away'
        )
    return [
        max(known[line.name], key=lambda photo: _equal_parts(photo, line))
        for line in lines
    ]


def _equal_parts(one: Path, other: Path) -> int:
    """How many parts of two paths are equal, from their ends on."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(other.parts))


def load_yaml(path: Path) -> dict[str, Any]:
    """The entries of a YAML file; none if it holds something else.

    Raises:
        ValueError: If it is no YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is no YAML, repair it: {error}') from error
    return content if isinstance(content, dict) else {}


def _by_folders(
    content: dict[str, Any], base: Path, listing: Listing
) -> dict[str, list[Path]]:
    """Photos of the folders for train, val and test; none where two are the same."""
    folders = {key: _folders(content, key, base) for key in KEYS}
    folders = {key: found for key, found in folders.items() if found}
    counts = Counter(folder for found in folders.values() for folder in found)
    if not {'train', 'val'} <= folders.keys() or max(counts.values()) > 1:
        return {}
    return {
        key: [p for p in listing.photos if any(map(p.is_relative_to, found))]
        for key, found in folders.items()
    }


def _folders(content: dict[str, Any], key: str, base: Path) -> set[Path]:
    """The folders of a split, of which a data.yaml names one or lists several."""
    entries = content.get(key)
    listed = entries if isinstance(entries, list) else [entries]
    return {
        folder
        for entry in listed
        if isinstance(entry, str)
        for folder in _places(entry, content.get('path'), base)
    }


def _places(entry: str, start: Any, base: Path) -> Iterator[Path]:
    """The folder that a data.yaml means, if it is there.

    Roboflow writes ``../train/images`` for a folder beside the file.
    """
    inside = Path(*[part for part in Path(entry).parts if part != '..'])
    for place in (base / str(start or '') / entry, base / entry, base / inside):
        if place.is_dir():
            yield Path(os.path.normpath(place))
            return
