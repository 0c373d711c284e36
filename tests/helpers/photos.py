"""Small real pictures: photos that lie beside the checkout, and handwritten digits."""

import json
from collections import defaultdict

import cv2
import numpy as np

import make_digits
from helpers.pictures import IMAGE_SIZE, Picture, Thing
from helpers.shared_data import shared_path

NUM_PHOTOS = 4
# Two with crowds, one of them upright; one of half the size; one without objects.
COCO_PHOTOS = tuple(f'{number:012}.jpg' for number in (5001, 329323, 404484, 58636))
BCCD_PHOTOS = tuple(f'BloodImage_{number:05}.jpg' for number in (0, 2, 14, 17))
VOC_NAMES = {
    'airplane': 'aeroplane',
    'couch': 'sofa',
    'dining table': 'diningtable',
    'motorcycle': 'motorbike',
    'potted plant': 'pottedplant',
    'tv': 'tvmonitor',
}


def photograph(classes):
    """A few real pictures with what they show of some classes.

    Skips the test where the folder of photos is absent.
    """
    if 'RBC' in classes:
        return _photos('bccd/val.json', 'bccd/images', BCCD_PHOTOS, classes)
    if '0' in classes:
        return _digits()
    annotations = 'coco_open/annotations/instances_val2017.json'
    return _photos(annotations, 'coco_open/val2017', COCO_PHOTOS, classes)


def _photos(annotations, images, names, classes):
    """Photos by name, made small, with their objects of some classes."""
    coco = json.loads(shared_path(f'data/{annotations}').read_text())
    categories = {one['id']: one['name'] for one in coco['categories']}
    per_image = defaultdict(list)
    for annotation in coco['annotations']:
        per_image[annotation['image_id']].append(annotation)
    ids = {info['file_name']: info['id'] for info in coco['images']}
    pictures = []
    for name in names:
        image = cv2.imread(str(shared_path(f'data/{images}/{name}')))
        scale = IMAGE_SIZE / max(image.shape[:2])
        small = cv2.resize(
            image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        things = (
            _thing(one, categories, scale, classes) for one in per_image[ids[name]]
        )
        pictures.append(Picture(small, [one for one in things if one.name in classes]))
    return pictures


def _thing(annotation, categories, scale, classes):
    name = categories[annotation['category_id']]
    if name not in classes:
        name = VOC_NAMES.get(name, name)
    x, y, width, height = np.array(annotation['bbox']) * scale
    return Thing(name, (x, y, x + width, y + height), bool(annotation['iscrowd']))


def _digits():
    """Canvases of the quick start."""
    scans = make_digits.split_scans(seed=0)['train']
    pictures = []
    for seed in range(NUM_PHOTOS):
        image, digits = make_digits.canvas(np.random.default_rng(seed), *scans)
        things = [Thing(str(digit.label), digit.box) for digit in digits]
        pictures.append(Picture(image, things))
    return pictures
