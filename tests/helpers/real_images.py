"""Small real images, from beside the checkout, and handwritten digits."""

import json
from collections import defaultdict

import cv2
import numpy as np

import make_digits
from helpers.images import IMAGE_SIZE, LabeledImage, Object
from helpers.shared_data import shared_path

NUM_IMAGES = 4
# Two with crowds, one of them upright; one of half the size; one without objects.
COCO_IMAGES = tuple(f'{number:012}.jpg' for number in (5001, 329323, 404484, 58636))
BCCD_IMAGES = tuple(f'BloodImage_{number:05}.jpg' for number in (0, 2, 14, 17))
VOC_NAMES = {
    'airplane': 'aeroplane',
    'couch': 'sofa',
    'dining table': 'diningtable',
    'motorcycle': 'motorbike',
    'potted plant': 'pottedplant',
    'tv': 'tvmonitor',
}


def real_images(classes):
    """Reads a few real images with their objects of some classes.

    Skips the test if the folder of images is absent.
    """
    if 'RBC' in classes:
        return _read_images('bccd/val.json', 'bccd/images', BCCD_IMAGES, classes)
    if '0' in classes:
        return _digits()
    annotations = 'coco_open/annotations/instances_val2017.json'
    return _read_images(annotations, 'coco_open/val2017', COCO_IMAGES, classes)


def _read_images(annotations, images, names, classes):
    """Reads images by name, downscaled, with their objects of some classes."""
    coco = json.loads(shared_path(f'data/{annotations}').read_text())
    categories = {one['id']: one['name'] for one in coco['categories']}
    per_image = defaultdict(list)
    for annotation in coco['annotations']:
        per_image[annotation['image_id']].append(annotation)
    ids = {info['file_name']: info['id'] for info in coco['images']}
    labeled = []
    for name in names:
        image = cv2.imread(str(shared_path(f'data/{images}/{name}')))
        scale = IMAGE_SIZE / max(image.shape[:2])
        small = cv2.resize(
            image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        objects = (
            _object(one, categories, scale, classes) for one in per_image[ids[name]]
        )
        labeled.append(
            LabeledImage(small, [one for one in objects if one.name in classes])
        )
    return labeled


def _object(annotation, categories, scale, classes):
    name = categories[annotation['category_id']]
    if name not in classes:
        name = VOC_NAMES.get(name, name)
    x, y, width, height = np.array(annotation['bbox']) * scale
    return Object(name, (x, y, x + width, y + height), bool(annotation['iscrowd']))


def _digits():
    """Draws images of the quick start."""
    scans = make_digits.split_scans(seed=0)['train']
    labeled = []
    for seed in range(NUM_IMAGES):
        image, digits = make_digits.canvas(np.random.default_rng(seed), *scans)
        objects = [Object(str(digit.label), digit.box) for digit in digits]
        labeled.append(LabeledImage(image, objects))
    return labeled
