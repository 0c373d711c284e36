"""Reads boxes in YOLO format: a text file per image, with fractions of its size."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mmdet_centernet.new_config.listing import IMAGE_SUFFIXES, Listing, size_of
from mmdet_centernet.new_config.split import NAMES, Split, coco_content, split_name

NAME_FILES = ('classes.txt', 'obj.names', 'classes.names')
NUMBERS_OF_A_BOX = 4
NUMBERS_OF_A_TRIANGLE = 6
DIGITS = 4
"""Decimal places of written boxes."""
ROUNDING = 1e-3
"""Tolerance for rounded fractions above 1."""


def find_labels(listing: Listing) -> dict[Path, Path]:
    """Maps images to their label files, for the images that have one."""
    texts = set(listing.texts)
    return {
        image: text
        for image in listing.images
        for text in [next((t for t in _places(image) if t in texts), None)]
        if text
    }


def _places(image: Path) -> Iterator[Path]:
    """Yields the possible paths of an image's label file, likely ones first."""
    parts = list(image.parts)
    for number in reversed(range(len(parts) - 1)):
        if parts[number].lower() == 'images':
            swapped = [*parts[:number], 'labels', *parts[number + 1 :]]
            yield Path(*swapped).with_suffix('.txt')
    yield image.parent / 'labels' / f'{image.stem}.txt'
    yield image.with_suffix('.txt')


def read_yolo(listing: Listing, labels: dict[Path, Path]) -> dict[str, Split]:
    """Reads images with YOLO labels.

    Images without a label file have no objects. Polygons become their bounding boxes.

    Args:
        listing: Files of the folder.
        labels: Result of ``find_labels``.

    Raises:
        ValueError: If there are no class names, a line is invalid, or files in
            ``labels/`` have no image.
    """
    _check_orphans(listing, set(labels.values()))
    classes = read_names(listing)
    return {
        split: _make_split(images, labels, classes, listing.root)
        for split, images in images_by_split(listing).items()
    }


def _check_orphans(listing: Listing, used: set[Path]) -> None:
    orphans = [
        text
        for text in listing.texts
        if 'labels' in text.relative_to(listing.root).parts[:-1]
        and text not in used
        and text.name not in NAME_FILES
    ]
    if orphans:
        raise ValueError(
            f'{len(orphans)} text files have no image of the same name, such as '
            f'{orphans[0]}: copy the images to images/, or remove the files'
        )


def read_names(listing: Listing) -> list[str]:
    """Reads the class names from ``data.yaml`` or ``classes.txt``.

    Raises:
        ValueError: If neither file has them.
    """
    for path in listing.yamls:
        names = _names_of(load_yaml(path))
        if names:
            return names
    places = {path.parent for path in (*listing.texts, *listing.images)}
    for folder in sorted({listing.root, *places}, key=lambda f: len(f.parts)):
        for name in NAME_FILES:
            if (folder / name).is_file():
                lines = (folder / name).read_text(encoding='utf-8').splitlines()
                return [line.strip() for line in lines if line.strip()]
    raise ValueError(
        f'{listing.root} has YOLO labels, which number the classes, but no class '
        'names: write classes.txt there, one name per line, class 0 first (or '
        'data.yaml with names)'
    )


def _names_of(content: dict[str, Any]) -> list[str]:
    """Reads the names of a data.yaml, which lists or numbers them."""
    names = content.get('names')
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        return [str(names[number]) for number in range(len(names))]
    return [str(name) for name in names] if isinstance(names, list) else []


def _make_split(
    paths: Sequence[Path],
    labels: dict[Path, Path],
    classes: Sequence[str],
    root: Path,
) -> Split:
    images, annotations = [], []
    for id_, path in enumerate(paths, 1):
        width, height = size_of(path)
        name = path.relative_to(root).as_posix()
        images.append(dict(id=id_, file_name=name, width=width, height=height))
        for label, box in _boxes(labels.get(path), len(classes)):
            pixels = (box * (width, height, width, height)).round(DIGITS).tolist()
            annotation = dict(
                image_id=id_, category_id=label + 1, bbox=pixels, iscrowd=0
            )
            annotations.append(annotation)
    return Split(coco_content(images, annotations, classes), root)


def _boxes(path: Path | None, num_classes: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields class and x, y, width and height in fractions, of each line of a file."""
    lines = path.read_text(encoding='utf-8').splitlines() if path else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read_line(line, num_classes)
        except ValueError as error:
            raise ValueError(f'{path}, line {number}: {error}') from error


def read_line(line: str, num_classes: int) -> tuple[int, np.ndarray]:
    """Reads a line of a label file.

    Args:
        line: Class, then x and y of the center, width and height, or x and y of the
            corners of a polygon, in fractions of the image.
        num_classes: Number of classes.

    Returns:
        The class, and (4,) x and y of the upper left corner, width and height.

    Raises:
        ValueError: If the format or the class is invalid, or a number is above 1.
    """
    first, *rest = line.split()
    numbers = np.array([float(word) for word in rest])
    label = int(float(first))
    if label != float(first) or not 0 <= label < num_classes:
        raise ValueError(
            f'the class is {first}; with {num_classes} names it must be a whole number '
            f'from 0 to {num_classes - 1}: complete the list of names'
        )
    if not np.isfinite(numbers).all() or (abs(numbers) > 1 + ROUNDING).any():
        raise ValueError(
            f'{line!r} has a number above 1; YOLO uses fractions: divide x and width '
            'by the width of the image, y and height by its height'
        )
    return label, _enclosing(numbers, line)


def _enclosing(numbers: np.ndarray, line: str) -> np.ndarray:
    """Returns x, y, width and height of a box or around a polygon: (4,)."""
    if len(numbers) == NUMBERS_OF_A_BOX:
        return np.concatenate([numbers[:2] - numbers[2:] / 2, numbers[2:]])
    if len(numbers) < NUMBERS_OF_A_TRIANGLE or len(numbers) % 2:
        raise ValueError(
            f'{line!r} has {len(numbers)} numbers after the class; a box has 4 '
            '(x_center y_center width height), a polygon 6 or more in pairs'
        )
    corners = numbers.reshape(-1, 2)
    low = corners.min(axis=0)
    return np.concatenate([low, corners.max(axis=0) - low])


KEYS = ('train', 'val', 'test')


def images_by_split(listing: Listing) -> dict[str, list[Path]]:
    """Assigns images to splits.

    Lists such as ``train.txt`` decide, else the folders that a ``data.yaml`` gives for
    train and val, else the names of the folders.

    Raises:
        ValueError: If listed images are missing.
    """
    lists = [text for text in listing.texts if text.stem in NAMES and _is_list(text)]
    if lists:
        return {NAMES[text.stem]: _listed(text, listing.images) for text in lists}
    for path in listing.yamls:
        found = _by_folders(load_yaml(path), path.parent, listing)
        if found:
            return found
    by_name = defaultdict(list)
    for image in listing.images:
        by_name[split_name(image.parent, listing.root)].append(image)
    return by_name


def _lines(text: Path) -> list[str]:
    return list(filter(None, map(str.strip, text.read_text('utf-8').splitlines())))


def _is_list(text: Path) -> bool:
    lines = _lines(text)
    return bool(lines) and all(line.lower().endswith(IMAGE_SUFFIXES) for line in lines)


def _listed(text: Path, images: Sequence[Path]) -> list[Path]:
    """Reads a list of images, whose paths may start with folders of another machine."""
    known = defaultdict(list)
    for image in images:
        known[image.name].append(image)
    lines = [Path(line.replace('\\', '/')) for line in _lines(text)]
    missing = [str(line) for line in lines if line.name not in known]
    if missing:
        raise ValueError(
            f'{text} lists {len(missing)} images that do not exist, such as '
            f'{missing[0]}: copy them, or remove the lines'
        )
    return [
        max(known[line.name], key=lambda image: _equal_parts(image, line))
        for line in lines
    ]


def _equal_parts(one: Path, other: Path) -> int:
    """Counts the equal parts of two paths, from their ends."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(other.parts))


def load_yaml(path: Path) -> dict[str, Any]:
    """Reads the entries of a YAML file; empty if it does not hold a mapping.

    Raises:
        ValueError: If it is not valid YAML.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is no YAML, fix it: {error}') from error
    return content if isinstance(content, dict) else {}


def _by_folders(
    content: dict[str, Any], base: Path, listing: Listing
) -> dict[str, list[Path]]:
    """Assigns images by the folders for train, val and test; empty if two are equal."""
    folders = {key: _folders(content, key, base) for key in KEYS}
    folders = {key: found for key, found in folders.items() if found}
    counts = Counter(folder for found in folders.values() for folder in found)
    if not {'train', 'val'} <= folders.keys() or max(counts.values()) > 1:
        return {}
    return {
        key: [p for p in listing.images if any(map(p.is_relative_to, found))]
        for key, found in folders.items()
    }


def _folders(content: dict[str, Any], key: str, base: Path) -> set[Path]:
    """Returns the existing folders of a split in a data.yaml."""
    entries = content.get(key)
    listed = entries if isinstance(entries, list) else [entries]
    return {
        folder
        for entry in listed
        if isinstance(entry, str)
        for folder in _existing_folder(entry, content.get('path'), base)
    }


def _existing_folder(entry: str, start: Any, base: Path) -> Iterator[Path]:
    """Yields the folder of an entry of a data.yaml, if it exists.

    Roboflow writes ``../train/images`` for a folder beside the file.
    """
    inside = Path(*[part for part in Path(entry).parts if part != '..'])
    for place in (base / str(start or '') / entry, base / entry, base / inside):
        if place.is_dir():
            yield Path(os.path.normpath(place))
            return
