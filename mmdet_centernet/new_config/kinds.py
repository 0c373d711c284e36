"""In which format do boxes lie in a folder?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mmdet_centernet.new_config.coco import find_coco, read_coco
from mmdet_centernet.new_config.listing import Listing
from mmdet_centernet.new_config.split import Split
from mmdet_centernet.new_config.voc import find_voc, read_voc
from mmdet_centernet.new_config.yolo import find_labels, read_yolo


class Kind(NamedTuple):
    """A format.

    Attributes:
        find: Looks for its files among those of a folder.
        read: Reads them, from the files of the folder and what was found.
    """

    find: Callable[[Listing], Any]
    read: Callable[[Listing, Any], dict[str, Split]]


KINDS = dict(
    COCO=Kind(find_coco, read_coco),
    VOC=Kind(find_voc, read_voc),
    YOLO=Kind(find_labels, read_yolo),
)


def read_folder(listing: Listing) -> tuple[str, dict[str, Split]]:
    """Read what lies in a folder.

    Args:
        listing: Files of the folder.

    Returns:
        The name of the one format that is there, and ``train``, ``val``, ``test``,
        ``trainval`` or ``all`` to its photos and boxes.

    Raises:
        ValueError: If there is no format or more than one, or a file cannot be
            understood.
    """
    found = {name: kind.find(listing) for name, kind in KINDS.items()}
    names = [name for name in KINDS if found[name]]
    if len(names) != 1:
        counts = {name: len(files) for name, files in found.items()}
        raise ValueError(_not_one(names, counts, listing))
    (name,) = names
    return name, KINDS[name].read(listing, found[name])


def _not_one(names: list[str], counts: dict[str, int], listing: Listing) -> str:
    """What was looked for, where not exactly one format was found."""
    problem = f'boxes in {" and ".join(names)}' if names else 'no boxes'
    return (
        f'{listing.root} has {problem}. Give a folder with the photos and with boxes '
        'in one format. Looked for, in all folders inside:\n'
        f'  {len(listing.photos)} photos\n'
        f'  COCO: {counts["COCO"]} of {len(listing.jsons)} *.json files with images, '
        'annotations and categories\n'
        f'  VOC: {counts["VOC"]} of {len(listing.xmls)} *.xml files with <annotation>\n'
        f'  YOLO: {counts["YOLO"]} of {len(listing.texts)} *.txt files named like a '
        'photo, in labels/ or beside it'
    )
