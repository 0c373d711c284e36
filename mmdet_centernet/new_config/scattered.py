"""Photos that lie in several folders, while a file names them without a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mmdet_centernet.new_config.listing import Listing
from mmdet_centernet.new_config.split import Split


def gather(split: Split, listing: Listing) -> Split:
    """Name photos from the root on, where they do not lie below one folder.

    mmdet looks for all photos of a file below one folder. A photo that is not there is
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
    found = _elsewhere(missing, listing.photos)
    if not found:
        return split
    paths = {**places, **found}
    moved = [
        {**image, 'file_name': _from(listing.root, paths[name])}
        for image, name in zip(images, names, strict=True)
    ]
    return Split({**split.content, 'images': moved}, listing.root)


def _elsewhere(names: Iterable[str], photos: Iterable[Path]) -> dict[str, Path]:
    """Names to the only photos whose paths end so."""
    known = defaultdict(list)
    for photo in photos:
        known[photo.name].append(photo)
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
