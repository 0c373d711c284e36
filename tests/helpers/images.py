"""Small images with objects, and dataset files made of them."""

import json
from typing import NamedTuple

import cv2
import numpy as np

IMAGE_SIZE = 64


class Object(NamedTuple):
    """Class, box x1, y1, x2, y2 and crowd flag of an object."""

    name: str
    box: tuple[float, float, float, float]
    crowd: bool = False


class LabeledImage(NamedTuple):
    """An image as cv2 reads it, with its objects."""

    image: np.ndarray
    objects: list[Object]


def draw_images(classes, num_images=4):
    """Draws images of `IMAGE_SIZE` pixels with two colored squares each."""
    random = np.random.default_rng(0)
    drawn = []
    for index in range(num_images):
        canvas = random.integers(0, 80, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        objects = []
        for corner in ((4, 4), (36, 36)):
            x, y = (int(c + random.integers(0, 8)) for c in corner)
            side = int(random.integers(12, 18))
            cv2.rectangle(canvas, (x, y), (x + side, y + side), (200, 220, 90), -1)
            name = classes[(2 * index + len(objects)) % len(classes)]
            objects.append(Object(name, (x, y, x + side, y + side)))
        drawn.append(LabeledImage(canvas, objects))
    return drawn


def write_coco(folder, labeled_images, classes):
    """Writes `images/` and `annotations.json`, whose category ids have gaps."""
    (folder / 'images').mkdir(parents=True)
    categories = [dict(id=2 * i + 1, name=name) for i, name in enumerate(classes)]
    ids = {category['name']: category['id'] for category in categories}
    images, annotations = [], []
    for image_id, (image, objects) in enumerate(labeled_images):
        file_name = f'{image_id:06}.jpg'
        cv2.imwrite(str(folder / 'images' / file_name), image)
        height, width = image.shape[:2]
        images.append(
            dict(id=image_id, file_name=file_name, width=width, height=height)
        )
        for name, (x1, y1, x2, y2), crowd in objects:
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


def write_voc(folder, labeled_images):
    """Writes `VOC2007/` and `VOC2012/`, the latter with one image without objects."""
    for year in ('VOC2007', 'VOC2012'):
        for part in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
            (folder / year / part).mkdir(parents=True)
        for index, (image, objects) in enumerate(labeled_images):
            if year == 'VOC2012' and index == 0:
                objects = []
            name = f'{index:06}'
            cv2.imwrite(str(folder / year / f'JPEGImages/{name}.jpg'), image)
            (folder / year / f'Annotations/{name}.xml').write_text(
                _voc_xml(image.shape[:2], objects)
            )
        names = '\n'.join(f'{index:06}' for index in range(len(labeled_images)))
        for split in ('trainval', 'test'):
            (folder / year / f'ImageSets/Main/{split}.txt').write_text(names)


def _voc_xml(shape, objects):
    elements = ''.join(
        f'<object><name>{name}</name><difficult>{int(crowd)}</difficult><bndbox>'
        f'<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>'
        f'<xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox></object>'
        for name, (x1, y1, x2, y2), crowd in objects
    )
    size = f'<width>{shape[1]}</width><height>{shape[0]}</height>'
    return f'<annotation><size>{size}</size>{elements}</annotation>'
