"""Makes a config from a folder, and says what was chosen and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mmdet_centernet.files import write_bytes
from mmdet_centernet.new_config.categories import drop_doubles, used_classes
from mmdet_centernet.new_config.checks import check
from mmdet_centernet.new_config.config_text import Files, config_text
from mmdet_centernet.new_config.decoding import (
    FAR_LARGER,
    decode_seconds,
    step_seconds,
    times_larger,
)
from mmdet_centernet.new_config.explain import (
    describe_classes,
    describe_data,
    describe_decoding,
    describe_settings,
)
from mmdet_centernet.new_config.explain_pose import HINT, describe_keypoints
from mmdet_centernet.new_config.kinds import read_folder
from mmdet_centernet.new_config.listing import OWN_FOLDER, list_files
from mmdet_centernet.new_config.measures import Measures, measure
from mmdet_centernet.new_config.memory import available_memory
from mmdet_centernet.new_config.settings import Settings, Wishes, choose
from mmdet_centernet.new_config.shrinking import shrink
from mmdet_centernet.new_config.skeleton import names_keypoints, read_skeleton
from mmdet_centernet.new_config.split import Split
from mmdet_centernet.new_config.splitting import complete


def make_config(folder: Path, out: Path, wishes: Wishes) -> Iterator[str]:
    """Look at a folder and write a config that trains on it.

    Args:
        folder: Photos with boxes.
        out: The config to write.
        wishes: What was asked for.

    Yields:
        Lines that say what was found, and what was chosen and why. The config is there
        after the last one.

    Raises:
        ValueError: If there is something that would spoil a training.
        OSError: If a file cannot be read or written.
    """
    listing = list_files(folder)
    kind, found = read_folder(listing)
    splits = drop_doubles(complete(found, wishes.seed))
    check(splits)
    skeleton = read_skeleton(splits) if wishes.pose else None
    measures, memory = measure(splits['train']), available_memory()
    settings = choose(used_classes(splits), measures, wishes, memory, skeleton)
    if wishes.shrink:
        splits = _shrink_all(splits, listing.root, settings)
    written = write_missing(splits, listing.root)
    yield from describe_data(kind, listing.root, found, written, wishes.seed)
    yield from describe_classes(written, settings.classes)
    if skeleton:
        yield from describe_keypoints(skeleton, written)
    elif names_keypoints(written):
        yield HINT
    yield from describe_settings(settings, measures, wishes, memory)
    _write_config(out, written, listing.root, settings)
    if not wishes.shrink:
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
    """What decoding costs, where photos are far larger than the input."""
    times = times_larger(measures.photo_sizes, settings)
    if times > FAR_LARGER:
        decoding, step = decode_seconds(train.paths), step_seconds(config, settings)
        yield describe_decoding(times, decoding, step, len(train.paths))


def write_missing(splits: Mapping[str, Split], root: Path) -> dict[str, Split]:
    """Write the COCO files that are not there.

    Args:
        splits: Those without a ``source`` are written.
        root: Folder of the data; they get a folder in it.

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
    """Where the data of a split lie, from the root on."""
    assert split.source is not None  # noqa: S101, it is written by now
    photos = split.folder.relative_to(root).as_posix()
    return Files(
        annotations=split.source.relative_to(root).as_posix(),
        photos='' if photos == '.' else f'{photos}/',
    )
