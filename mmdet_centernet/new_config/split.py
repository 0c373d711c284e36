"""A set of photos with boxes, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALL = 'all'
"""What has no name of a split."""
TRAINVAL = 'trainval'
NAMES = {
    'train': 'train',
    'training': 'train',
    'trainval': TRAINVAL,
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}


@dataclass(frozen=True)
class Split:
    """Photos with boxes, as a COCO file has them.

    Attributes:
        content: ``images``, ``annotations`` and ``categories`` of COCO.
        folder: Where the ``file_name`` of its images counts from.
        source: The COCO file that it was read from; None where it has yet to be
            written.
    """

    content: dict[str, Any]
    folder: Path
    source: Path | None = None

    @property
    def paths(self) -> list[str]:
        """Paths of the photos."""
        return [str(self.folder / i['file_name']) for i in self.content['images']]


def split_name(path: Path, root: Path) -> str:
    """Which split a file or folder belongs to.

    Args:
        path: The file or folder, below ``root``.
        root: Folder of the data, whose own name says nothing.

    Returns:
        ``train``, ``val``, ``test`` or ``trainval`` as the name says that is closest to
        the file, such as ``instances_train2017.json`` or ``valid/images``; else
        ``all``.
    """
    for part in reversed(path.relative_to(root).parts):
        for word in re.findall('[a-z]+', part.lower()):
            if word in NAMES:
                return NAMES[word]
    return ALL


def coco_content(
    images: Iterable[dict], annotations: Iterable[dict], classes: Iterable[str]
) -> dict[str, Any]:
    """The content of a COCO file.

    Args:
        images: ``id``, ``file_name``, ``width`` and ``height`` of each.
        annotations: ``image_id``, ``category_id``, ``bbox`` and ``iscrowd`` of each.
        classes: Names of the categories, whose ids count from 1.
    """
    return dict(
        images=list(images),
        annotations=[
            # pycocotools never counts a box with id 0 as found.
            dict(note, id=number, area=note['bbox'][2] * note['bbox'][3])
            for number, note in enumerate(annotations, 1)
        ],
        categories=[dict(id=id_, name=name) for id_, name in enumerate(classes, 1)],
    )
