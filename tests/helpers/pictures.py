"""Small pictures with objects, and the files of a dataset made of them."""

import json
from typing import NamedTuple

import cv2
import numpy as np

IMAGE_SIZE = 64


class Thing(NamedTuple):
    """An object: its class, its box x1, y1, x2, y2, and whether it is a crowd."""

    name: str
    box: tuple[float, float, float, float]
    crowd: bool = False


class Picture(NamedTuple):
    """An image as cv2 reads it, and what it shows."""

    image: np.ndarray
    things: list[Thing]


def draw_pictures(classes, num_images=4):
    """Images of `IMAGE_SIZE` pixels with two coloured squares each."""
    random = np.random.default_rng(0)
    pictures = []
    for index in range(num_images):
        canvas = random.integers(0, 80, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        things = []
        for corner in ((4, 4), (36, 36)):
            x, y = (int(c + random.integers(0, 8)) for c in corner)
            side = int(random.integers(12, 18))
            cv2.rectangle(canvas, (x, y), (x + side, y + side), (200, 220, 90), -1)
            name = classes[(2 * index + len(things)) % len(classes)]
            things.append(Thing(name, (x, y, x + side, y + side)))
        pictures.append(Picture(canvas, things))
    return pictures


def write_coco(folder, pictures, classes):
    """Writes `images/` and `annotations.json`, whose category ids have gaps."""
    (folder / 'images').mkdir(parents=True)
    categories = [dict(id=2 * i + 1, name=name) for i, name in enumerate(classes)]
    ids = {category['name']: category['id'] for category in categories}
    images, annotations = [], []
    for image_id, (image, things) in enumerate(pictures):
        file_name = f'{image_id:06}.jpg'
        cv2.imwrite(str(folder / 'images' / file_name), image)
        height, width = image.shape[:2]
        images.append(
            dict(id=image_id, file_name=file_name, width=width, height=height)
        )
        for name, (x1, y1, x2, y2), crowd in things:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=ids[name],
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=int(crowd),
                )
            )
    (folder / 'annotations.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )


def write_voc(folder, pictures):
    """Writes `VOC2007/` and `VOC2012/`, the latter with nothing on one picture."""
    for year in ('VOC2007', 'VOC2012'):
        for part in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
            (folder / year / part).mkdir(parents=True)
        for index, (image, things) in enumerate(pictures):
            if year == 'VOC2012' and index == 0:
                things = []
            name = f'{index:06}'
            cv2.imwrite(str(folder / year / f'JPEGImages/{name}.jpg'), image)
            (folder / year / f'Annotations/{name}.xml').write_text(
                _voc_xml(image.shape[:2], things)
            )
        names = '\n'.join(f'{index:06}' for index in range(len(pictures)))
        for split in ('trainval', 'test'):
            (folder / year / f'ImageSets/Main/{split}.txt').write_text(names)


def _voc_xml(shape, things):
    objects = ''.join(
        f'<object><name>{name}</name><difficult>{int(crowd)}</difficult><bndbox>'
        f'<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>'
        f'<xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox></object>'
        for name, (x1, y1, x2, y2), crowd in things
    )
    size = f'<width>{shape[1]}</width><height>{shape[0]}</height>'
    return f'<annotation><size>{size}</size>{objects}</annotation>'
