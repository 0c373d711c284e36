"""Reads boxes in Pascal VOC format: an XML file per image, optional lists of names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from mmdet_centernet.new_config.listing import Listing, size_of
from mmdet_centernet.new_config.split import (
    NAMES,
    TRAINVAL,
    Split,
    coco_content,
    split_name,
)

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
DIFFICULT = ('1', 'true', 'True')
START = 2000
"""Bytes at the start of an XML file that are searched for <annotation>."""


def find_voc(listing: Listing) -> list[Path]:
    """Lists the XML files that annotate images."""
    return [path for path in listing.xmls if b'<annotation' in _start(path)]


def _start(path: Path) -> bytes:
    with path.open('rb') as file:
        return file.read(START)


def read_voc(listing: Listing, files: Sequence[Path]) -> dict[str, Split]:
    """Reads VOC folders; classes are numbered alphabetically.

    Lists in ``ImageSets/Main`` define the splits, else the names of folders. Difficult
    objects become COCO crowds: mmdet neither trains nor tests on either.

    Args:
        listing: Files of the folder.
        files: Result of ``find_voc``.

    Raises:
        ValueError: If a file is invalid XML, lacks a number, has no image, or is
            listed but missing.
    """
    roots = {path: _parse(path) for path in files}
    classes = sorted({n for path, root in roots.items() for n in _names(root, path)})
    images = _images_by_stem(listing.images)
    return {
        split: _make_split(
            [(path, _image_of(path, images), roots[path]) for path in paths],
            classes,
            listing.root,
        )
        for split, paths in _members(list(roots), listing).items()
    }


def _parse(path: Path) -> ElementTree.Element:
    try:
        # As mmdet does: expat limits entities and loads no external ones.
        return ElementTree.fromstring(path.read_bytes())  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f'{path} is no XML: {error}') from error


def _objects(root: ElementTree.Element) -> list[ElementTree.Element]:
    return root.findall('object')


def _names(root: ElementTree.Element, path: Path) -> list[str]:
    names = [_name(node) for node in _objects(root)]
    if not all(names):
        raise ValueError(f'{path}: an object has no <name>')
    return names


def _name(node: ElementTree.Element) -> str:
    return (node.findtext('name') or '').strip()


def _images_by_stem(images: Iterable[Path]) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for image in images:
        found[image.stem].append(image)
    return found


def _image_of(path: Path, images: dict[str, list[Path]]) -> Path:
    """Finds the image of the same name, among several the closest to the XML file."""

    def shared(image: Path) -> int:
        return len(Path(os.path.commonpath([image, path])).parts)

    found = images.get(path.stem)
    if not found:
        raise ValueError(f'{path}: no image is called {path.stem}.*; copy it there')
    return max(found, key=shared)


def _members(paths: Sequence[Path], listing: Listing) -> dict[str, list[Path]]:
    """Assigns XML files to splits."""
    lists = [
        text
        for text in listing.texts
        if text.parent.parts[-2:] == ('ImageSets', 'Main') and text.stem in NAMES
    ]
    found: dict[str, list[Path]] = defaultdict(list)
    for text in lists:
        found[NAMES[text.stem]] += _listed(text, set(paths))
    if not lists:
        for path in paths:
            found[split_name(path, listing.root)].append(path)
    if {'train', 'val'} <= found.keys():
        found.pop(TRAINVAL, None)
    return found


def _listed(text: Path, known: set[Path]) -> list[Path]:
    """Returns the XML files of a list of names."""
    folder = text.parents[2] / 'Annotations'
    lines = text.read_text(encoding='utf-8').splitlines()
    paths = [folder / f'{line.split()[0]}.xml' for line in lines if line.strip()]
    missing = [path.name for path in paths if path not in known]
    if missing:
        raise ValueError(
            f'{text} lists {len(missing)} images without an XML file in {folder}, '
            f'such as {missing[0]}'
        )
    return paths


def _make_split(
    files: Sequence[tuple[Path, Path, ElementTree.Element]],
    classes: Sequence[str],
    root: Path,
) -> Split:
    """Builds a split from XML files, their images and contents."""
    images, annotations = [], []
    for id_, (path, image, content) in enumerate(files, 1):
        width, height = _size(content) or size_of(image)
        name = image.relative_to(root).as_posix()
        images.append(dict(id=id_, file_name=name, width=width, height=height))
        annotations += [
            dict(
                image_id=id_,
                category_id=classes.index(_name(node)) + 1,
                bbox=_box(node, path),
                iscrowd=int(node.findtext('difficult') in DIFFICULT),
            )
            for node in _objects(content)
        ]
    return Split(coco_content(images, annotations, classes), root)


def _size(content: ElementTree.Element) -> tuple[int, int] | None:
    """Reads width and height from the file; None if it has none."""
    try:
        width, height = (
            int(float(content.findtext(f'size/{side}', '0')))
            for side in ('width', 'height')
        )
    except ValueError:
        return None
    return (width, height) if width and height else None


def _box(node: ElementTree.Element, path: Path) -> list[float]:
    """Reads x, y, width and height; VOC counts pixels from 1."""
    try:
        x1, y1, x2, y2 = (float(node.findtext(f'bndbox/{c}', '')) for c in CORNERS)
    except ValueError as error:
        raise ValueError(
            f'{path}: an object lacks a number in <bndbox>, which needs '
            f'{", ".join(CORNERS)}'
        ) from error
    return [x1 - 1, y1 - 1, x2 - x1, y2 - y1]
