import json

import pytest

from helpers.images import draw_images, write_coco
from mmdet_centernet.evaluation.coco_keypoint_metric import COCO_SIGMAS
from mmdet_centernet.new_config.explain import describe_keypoints
from mmdet_centernet.new_config.skeleton import (
    COCO_NAMES,
    SIGMA,
    Skeleton,
    names_keypoints,
    read_skeleton,
)
from mmdet_centernet.new_config.split import Split

CLASSES = ('square', 'disc')
NAMES = ['top_left', 'bottom_right', 'middle']


@pytest.fixture
def content(tmp_path):
    """Content of a COCO file with three keypoints per object."""
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)
    content = json.loads((tmp_path / 'annotations.json').read_text())
    for category in content['categories']:
        category.update(keypoints=NAMES, skeleton=[[1, 3], [3, 2]])
    for note in content['annotations']:
        x, y, w, h = note['bbox']
        points = (x, y), (x + w, y + h), (x + w / 2, y + h / 2)
        note['keypoints'] = [value for point in points for value in (*point, 2)]
    return content


def read(content, tmp_path):
    split = Split(content, tmp_path / 'images', tmp_path / 'annotations.json')
    return read_skeleton(dict(train=split, val=split))


def test_names_are_read(content, tmp_path):
    skeleton = read(content, tmp_path)
    assert skeleton == Skeleton(tuple(NAMES))
    assert not skeleton.is_coco


@pytest.mark.parametrize('lines', [[[0, 2], [2, 1]], [[1, 3]], [], None])
def test_lines_may_count_from_one_or_nought(content, tmp_path, lines):
    content['categories'][0]['skeleton'] = lines
    read(content, tmp_path)


@pytest.mark.parametrize('lines', [[[1, 4]], [[0, 3]]])
def test_lines_to_nowhere_are_named(content, tmp_path, lines):
    content['categories'][0]['skeleton'] = lines
    with pytest.raises(ValueError, match=r'skeleton of square joins keypoint \d of 3'):
        read(content, tmp_path)


def test_only_categories_with_boxes_count(content, tmp_path):
    content['categories'].insert(0, dict(id=99, name='unused', keypoints=['x']))
    assert read(content, tmp_path).names == tuple(NAMES)
    content['categories'].insert(0, dict(id=98, name='project'))
    split = Split(content, tmp_path)
    assert names_keypoints(dict(train=split))
    for category in content['categories'][2:]:
        del category['keypoints']
    assert not names_keypoints(dict(train=split))


def test_different_keypoints_are_refused(content, tmp_path):
    content['categories'][1]['keypoints'] = NAMES[:2]
    with pytest.raises(ValueError, match=r'square has 3 .* disc has 2 .* one category'):
        read(content, tmp_path)
    del content['categories'][1]['keypoints']
    with pytest.raises(ValueError, match=r'disc has 0 keypoints \(none\)'):
        read(content, tmp_path)


def test_names_are_needed_once_each(content, tmp_path):
    for category in content['categories']:
        category['keypoints'] = ['a', 'b', 'a']
    with pytest.raises(ValueError, match="two keypoints of square are called 'a'"):
        read(content, tmp_path)
    for category in content['categories']:
        del category['keypoints']
    with pytest.raises(ValueError, match='square names no keypoints'):
        read(content, tmp_path)


def test_wrong_lengths_are_named_by_their_annotations(content, tmp_path):
    notes = content['annotations']
    notes[2]['keypoints'] = notes[2]['keypoints'][:6]
    notes[4]['keypoints'] = 'none'
    with pytest.raises(
        ValueError,
        match=r'annotations.json: annotation 3 has other .*: it has 6 numbers, not 9; '
        'likewise annotation 5',
    ):
        read(content, tmp_path)


def test_unlabeled_sets_and_fractions_are_named(content, tmp_path):
    for note in content['annotations']:
        note['keypoints'] = [value / 64 for value in note['keypoints']]
        note['keypoints'][2::3] = [1] * 3
    with pytest.raises(ValueError, match='are fractions'):
        read(content, tmp_path)
    for note in content['annotations']:
        note['keypoints'] = [0] * 9
    with pytest.raises(ValueError, match='no object has a labeled keypoint'):
        read(content, tmp_path)


def test_what_was_found_is_printed(content, tmp_path):
    notes = content['annotations']
    notes[0]['keypoints'] = [0] * 9
    notes[1]['keypoints'][2] = 0
    del notes[5]['keypoints']
    del notes[7]['keypoints']
    notes[7]['iscrowd'] = 1  # such regions are no objects
    split = Split(content, tmp_path)
    skeleton = read(content, tmp_path)
    message = '\n'.join(describe_keypoints(skeleton, dict(train=split)))
    assert '3: top_left, bottom_right, middle' in message
    assert 'train: 14 labels on 7 objects; 2 have only a box' in message
    assert 'no field "keypoints" in the annotations 6\n' in message
    assert 'off: top_left, bottom_right name a side' in message
    assert '0.05 for all, since' in message
    coco = '\n'.join(describe_keypoints(Skeleton(COCO_NAMES), {}))
    assert 'by their names they exchange left_eye with right_eye, left_ear with' in coco
    assert "COCO's, since" in coco


def test_the_sigma_lies_within_those_of_coco():
    assert min(COCO_SIGMAS) < SIGMA < max(COCO_SIGMAS)
    assert len(COCO_NAMES) == len(COCO_SIGMAS)
