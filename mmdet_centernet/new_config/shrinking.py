"""Writes smaller copies of images that are much larger than the input."""

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
"""Upper ratio of the config's RandomResize."""
QUALITY = 95


def shrink(name: str, split: Split, root: Path, scale: Sequence[int]) -> Split:
    """Writes copies of the images of a split, no larger than training can use.

    Args:
        name: Name of the split.
        split: Split with readable images.
        root: Folder of the data, which gets a subfolder for the copies.
        scale: Width and height that images are fitted into.

    Returns:
        The split with the copies, without a ``source``.
    """
    # Not "images": folders and configs of earlier versions have this name.
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
    """Computes width and height of a copy.

    Args:
        size: Width and height of the image.
        scale: Width and height that images are fitted into; copies are 1.3 times as
            large.
    """
    factor = min(float(scale_factors(np.array([size]), scale)[0]) * ROOM, 1)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def scale_box(annotation: dict, factors: tuple[float, float]) -> dict:
    """Scales an annotation to a copy; polygons are dropped.

    Args:
        annotation: COCO annotation.
        factors: Factors of width and height.
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
