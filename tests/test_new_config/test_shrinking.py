import json

import cv2
import numpy as np
import pytest

from helpers.images import LabeledImage, Object, write_coco
from mmdet_centernet.new_config.shrinking import shrink, smaller_size
from mmdet_centernet.new_config.split import Split

SIDE = 400


@pytest.fixture
def split(tmp_path):
    """An image with a white square on black."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[100:300, 40:80] = 255
    labeled = LabeledImage(image, [Object('square', (40, 100, 80, 300))])
    write_coco(tmp_path, [labeled], ['square'])
    content = json.loads((tmp_path / 'annotations.json').read_text())
    return Split(content, tmp_path / 'images', tmp_path / 'annotations.json')


def test_boxes_stay_on_their_objects(split, tmp_path):
    small = shrink('train', split, tmp_path, (100, 100))
    (path,) = small.paths
    pixels = cv2.imread(path)
    (image,) = small.content['images']
    assert pixels.shape[:2] == (image['height'], image['width']) == (130, 130)
    (note,) = small.content['annotations']
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    x, y, width, height = note['bbox']
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose((x, y, x + width, y + height), edges, atol=0.6)
    assert note['area'] == pytest.approx(width * height)
    assert split.content['images'][0]['width'] == SIDE
    assert small.source is None


def test_keypoints_stay_on_their_objects(split, tmp_path):
    split.content['annotations'][0]['keypoints'] = [40, 100, 2, 80, 300, 1, 0, 0, 0]
    (note,) = shrink('train', split, tmp_path, (100, 100)).content['annotations']
    x, y, width, height = note['bbox']
    expected = [x, y, 2, x + width, y + height, 1, 0, 0, 0]
    assert note['keypoints'] == pytest.approx(expected)


@pytest.mark.parametrize(
    ('size', 'scale', 'small'),
    [
        ((4000, 3000), (640, 480), (832, 624)),
        ((3000, 4000), (640, 480), (624, 832)),
        ((700, 500), (640, 480), (700, 500)),  # it would have to grow
    ],
)
def test_copies_have_room_for_random_resize(size, scale, small):
    assert smaller_size(size, scale) == small
