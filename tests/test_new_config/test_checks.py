import json

import cv2
import numpy as np
import pytest

from helpers.images import draw_images, write_coco
from mmdet_centernet.new_config.checks import check, find_faults
from mmdet_centernet.new_config.settings import measure
from mmdet_centernet.new_config.split import Split

CLASSES = ('square', 'disc')


@pytest.fixture
def split(tmp_path):
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)
    content = json.loads((tmp_path / 'annotations.json').read_text())
    return Split(content, tmp_path / 'images', tmp_path / 'annotations.json')


def test_sound_data_have_no_faults(split):
    assert find_faults(split) == []
    check(dict(train=split, val=split))


def only_fault(split):
    (text,) = find_faults(split)
    return text


def test_missing_and_unreadable_images_are_named_and_counted(split):
    (split.folder / '000001.jpg').unlink()
    assert '1 of 4 images are missing: ' in only_fault(split)
    assert '000001.jpg' in only_fault(split)
    (split.folder / '000001.jpg').write_bytes(b'no image')
    assert '1 of 4 images cannot be read: ' in only_fault(split)
    assert '000001.jpg' in only_fault(split)


def test_images_of_another_size(split):
    cv2.imwrite(str(split.folder / '000002.jpg'), np.zeros((64, 63, 3), np.uint8))
    assert '1 images are not as large' in only_fault(split)
    assert '000002.jpg has 63 x 64' in only_fault(split)


def test_fractions(split):
    for note in split.content['annotations']:
        note['bbox'] = [value / 64 for value in note['bbox']]
    assert 'seem to be fractions' in only_fault(split)


def test_corners_in_place_of_sizes(split):
    for note in split.content['annotations']:
        x, y, width, height = note['bbox']
        note['bbox'] = [x, y, x + width, y + height]
    assert 'are these x1, y1, x2, y2?' in only_fault(split)


def test_no_boxes(split):
    split.content['annotations'].clear()
    assert 'there are no boxes' in only_fault(split)


def test_all_faults_of_all_splits_are_in_the_message(split):
    (split.folder / '000001.jpg').unlink()
    split.content['annotations'].clear()
    with pytest.raises(ValueError, match='would spoil the training') as error:
        check(dict(train=split, val=split))
    assert len(str(error.value).splitlines()) == 1 + 2 * 2


def test_what_can_be_learned_is_measured(split):
    notes = split.content['annotations']
    measures = measure(split)
    assert len(measures.sides) == 8
    assert (measures.num_ignored, measures.max_objects) == (0, 2)
    notes[0]['iscrowd'] = 1
    notes[1]['bbox'] = [70, 3, 5, 5]
    notes[2]['bbox'] = [3, 3, 0.9, 5]
    notes[3]['bbox'] = [3, 5, 20, 10]
    measures = measure(split)
    assert measures.num_ignored == 3
    assert measures.sides[0].tolist() == [10, 20]
    assert measures.image_size_of_object.tolist() == [[64, 64]] * 5
