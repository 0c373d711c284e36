"""Smaller copies of images that are far larger than the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mmdet_centernet.files import write_bytes
from mmdet_centernet.new_config.choices import scale_factors
from mmdet_centernet.new_config.listing import OWN_FOLDER
from mmdet_centernet.new_config.split import Split

ROOM = 1.3
"""Times the input: what RandomResize of the config enlarges images to."""
QUALITY = 95


def shrink(name: str, split: Split, root: Path, scale: Sequence[int]) -> Split:
    """Write copies of the images of a split, no larger than a training can use.

    Args:
        name: Of the split.
        split: Its images can be read.
        root: Folder of the data; the copies get a folder in it.
        scale: Width and height that images are fitted into.

    Returns:
        The split on its copies, without a ``source``.
    """
    folder = root / OWN_FOLDER / 'photos' / name
    images, factors = [], {}
    for image in tqdm(split.content['images'], 'shrinking', unit='image', leave=False):
        copy = f'{Path(image["file_name"]).name}_{image["id"]}.jpg'
        size = (image['width'], image['height'])
        width, height = smaller_size(size, scale)
        _write(split.folder / image['file_name'], folder / copy, (width, height))
        images.append({**image, 'file_name': copy, 'width': width, 'height': height})
        factors[image['id']] = (width / size[0], height / size[1])
    annotations = [
        scale_box(n, factors[n['image_id']]) for n in split.content['annotations']
    ]
    content = {**split.content, 'images': images, 'annotations': annotations}
    return Split(content, folder)


def smaller_size(size: Sequence[int], scale: Sequence[int]) -> tuple[int, int]:
    """Width and height of a copy.

    Args:
        size: Width and height of the image.
        scale: Width and height that images are fitted into; copies have a third more.
    """
    factor = min(float(scale_factors(np.array([size]), scale)[0]) * ROOM, 1)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def scale_box(annotation: dict, factors: tuple[float, float]) -> dict:
    """An annotation on a copy; its polygons are left out.

    Args:
        annotation: COCO's annotation.
        factors: Of the width and of the height.
    """
    horizontal, vertical = factors
    box = (np.array(annotation['bbox']) * np.array([horizontal, vertical] * 2)).tolist()
    kept = {key: value for key, value in annotation.items() if key != 'segmentation'}
    if annotation.get('keypoints'):
        points = np.array(annotation['keypoints'], float).reshape(-1, 3)
        kept['keypoints'] = (points * (horizontal, vertical, 1)).ravel().tolist()
    return {**kept, 'bbox': box, 'area': annotation['area'] * horizontal * vertical}


def _write(source: Path, target: Path, size: tuple[int, int]) -> None:
    encoded = np.frombuffer(source.read_bytes(), np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError(f'opencv cannot read {source}')
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    done, content = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f'opencv cannot encode a copy of {source}')
    write_bytes(target, content.tobytes())
