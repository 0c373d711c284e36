"""Writes a config for a folder of images and reports what was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mmdet_centernet.files import write_bytes
from mmdet_centernet.new_config.checks import (
    check,
    drop_duplicate_categories,
    used_classes,
)
from mmdet_centernet.new_config.coco import find_coco, read_coco
from mmdet_centernet.new_config.config_text import Files, config_text
from mmdet_centernet.new_config.explain import (
    HINT,
    describe_classes,
    describe_data,
    describe_decoding,
    describe_keypoints,
    describe_settings,
)
from mmdet_centernet.new_config.listing import OWN_FOLDER, Listing, list_files
from mmdet_centernet.new_config.resources import (
    FAR_LARGER,
    available_memory,
    decode_seconds,
    step_seconds,
    times_larger,
)
from mmdet_centernet.new_config.settings import (
    Measures,
    Options,
    Settings,
    choose,
    measure,
)
from mmdet_centernet.new_config.shrinking import shrink
from mmdet_centernet.new_config.skeleton import names_keypoints, read_skeleton
from mmdet_centernet.new_config.split import Split, complete
from mmdet_centernet.new_config.voc import find_voc, read_voc
from mmdet_centernet.new_config.yolo import find_labels, read_yolo


class Format(NamedTuple):
    """An annotation format.

    Attributes:
        find: Finds its files in a folder.
        read: Reads the files that were found.
    """

    find: Callable[[Listing], Any]
    read: Callable[[Listing, Any], dict[str, Split]]


FORMATS = dict(
    COCO=Format(find_coco, read_coco),
    VOC=Format(find_voc, read_voc),
    YOLO=Format(find_labels, read_yolo),
)


def read_folder(listing: Listing) -> tuple[str, dict[str, Split]]:
    """Reads the annotations of a folder, in the format that it contains.

    Args:
        listing: Files of the folder.

    Returns:
        The name of the format, and the splits by name: ``train``, ``val``, ``test``,
        ``trainval`` or ``all``.

    Raises:
        ValueError: If there is no format or more than one, or a file is invalid.
    """
    found = {name: kind.find(listing) for name, kind in FORMATS.items()}
    names = [name for name in FORMATS if found[name]]
    if len(names) != 1:
        counts = {name: len(files) for name, files in found.items()}
        raise ValueError(_not_one(names, counts, listing))
    (name,) = names
    return name, FORMATS[name].read(listing, found[name])


def _not_one(names: list[str], counts: dict[str, int], listing: Listing) -> str:
    """Reports what was searched, if not exactly one format was found."""
    problem = f'boxes in {" and ".join(names)}' if names else 'no boxes'
    return (
        f'{listing.root} has {problem}. Give a folder with images, and with boxes in '
        'one format. Found in it and its subfolders:\n'
        f'  {len(listing.images)} images\n'
        f'  COCO: {counts["COCO"]} of {len(listing.jsons)} *.json files with images, '
        'annotations and categories\n'
        f'  VOC: {counts["VOC"]} of {len(listing.xmls)} *.xml files with <annotation>\n'
        f'  YOLO: {counts["YOLO"]} of {len(listing.texts)} *.txt files named like a '
        'image, in labels/ or beside it'
    )


def make_config(folder: Path, out: Path, options: Options) -> Iterator[str]:
    """Writes a config that trains on the data of a folder.

    Args:
        folder: Images with boxes.
        out: The config to write.
        options: Options of the user.

    Yields:
        Lines that state what was found, and what was chosen and why. The config exists
        after the last one.

    Raises:
        ValueError: If the data have faults that would spoil training.
        OSError: If a file cannot be read or written.
    """
    listing = list_files(folder)
    kind, found = read_folder(listing)
    splits = drop_duplicate_categories(complete(found, options.seed))
    check(splits)
    skeleton = read_skeleton(splits) if options.pose else None
    measures, memory = measure(splits['train']), available_memory()
    settings = choose(used_classes(splits), measures, options, memory, skeleton)
    if options.shrink:
        splits = _shrink_all(splits, listing.root, settings)
    written = write_missing(splits, listing.root)
    yield from describe_data(kind, listing.root, found, written, options.seed)
    yield from describe_classes(written, settings.classes)
    if skeleton:
        yield from describe_keypoints(skeleton, written)
    elif names_keypoints(written):
        yield HINT
    yield from describe_settings(settings, measures, options, memory)
    _write_config(out, written, listing.root, settings)
    if not options.shrink:
        yield from _about_decoding(written['train'], measures, settings, out)


def _shrink_all(
    splits: Mapping[str, Split], root: Path, settings: Settings
) -> dict[str, Split]:
    return {
        name: shrink(name, split, root, settings.image_scale)
        for name, split in splits.items()
    }


def _write_config(
    out: Path, splits: Mapping[str, Split], root: Path, settings: Settings
) -> None:
    files = {name: _files(split, root) for name, split in splits.items()}
    write_bytes(out, config_text(f'{root.as_posix()}/', files, settings).encode())


def _about_decoding(
    train: Split, measures: Measures, settings: Settings, config: Path
) -> Iterator[str]:
    """Describes the cost of decoding, if images are much larger than the input."""
    times = times_larger(measures.image_sizes, settings.image_scale)
    if times > FAR_LARGER:
        decoding, step = (
            decode_seconds(train.paths),
            step_seconds(config, settings.crop_size),
        )
        yield describe_decoding(times, decoding, step, len(train.paths))


def write_missing(splits: Mapping[str, Split], root: Path) -> dict[str, Split]:
    """Writes COCO files for the splits that have none.

    Args:
        splits: Splits; those without a ``source`` are written.
        root: Folder of the data, which gets a subfolder for the files.

    Returns:
        All splits with their ``source``.
    """
    found = {}
    for name, split in splits.items():
        path = split.source or root / OWN_FOLDER / f'{name}.json'
        if split.source is None:
            write_bytes(path, json.dumps(split.content, ensure_ascii=False).encode())
        found[name] = replace(split, source=path)
    return found


def _files(split: Split, root: Path) -> Files:
    """Returns the paths of a split relative to the root."""
    assert split.source is not None  # noqa: S101, it was written before
    images = split.folder.relative_to(root).as_posix()
    return Files(
        annotations=split.source.relative_to(root).as_posix(),
        images='' if images == '.' else f'{images}/',
    )
