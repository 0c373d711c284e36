"""In which format do boxes lie in a folder?"""

from __future__ import annotations

from mmdet_centernet.new_config.coco import find_coco, read_coco
from mmdet_centernet.new_config.listing import Listing
from mmdet_centernet.new_config.split import Split
from mmdet_centernet.new_config.voc import find_voc, read_voc
from mmdet_centernet.new_config.yolo import find_labels, read_yolo

READERS = dict(COCO=read_coco, VOC=read_voc, YOLO=read_yolo)


def find_kind(listing: Listing) -> str:
    """The one format that is there.

    Args:
        listing: Files of the folder.

    Returns:
        A name of ``READERS``.

    Raises:
        ValueError: If there is none or more than one.
    """
    found = dict(
        COCO=len(find_coco(listing)),
        VOC=len(find_voc(listing)),
        YOLO=len(find_labels(listing)),
    )
    kinds = [kind for kind, count in found.items() if count]
    if len(kinds) == 1:
        return kinds[0]
    problem = f'boxes in {" and ".join(kinds)}' if kinds else 'no boxes'
    raise ValueError(
        f'{listing.root} has {problem}. Give a folder with the photos and with boxes '
        'in one format. Looked for, in all folders inside:\n'
        f'  {len(listing.photos)} photos\n'
        f'  COCO: {found["COCO"]} of {len(listing.jsons)} *.json files with images, '
        'annotations and categories\n'
        f'  VOC: {found["VOC"]} of {len(listing.xmls)} *.xml files with <annotation>\n'
        f'  YOLO: {found["YOLO"]} of {len(listing.texts)} *.txt files named like a '
        'photo, in labels/ or beside it'
    )


def read(kind: str, listing: Listing) -> dict[str, Split]:
    """Read what lies there.

    Args:
        kind: A name of ``READERS``.
        listing: Files of the folder.

    Returns:
        ``train``, ``val``, ``test``, ``trainval`` or ``all`` to its photos and boxes.

    Raises:
        ValueError: If a file cannot be understood.
    """
    return READERS[kind](listing)
