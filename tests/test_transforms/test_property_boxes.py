"""Values travel with boxes, through the methods of mmdet's boxes."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes

from helpers.properties import CONFIGS, assert_moved, load
from mmdet_centernet.codecs.properties import (
    build_properties,
    properties_by_key,
)
from mmdet_centernet.transforms import PropertyBoxes
from mmdet_centernet.transforms.property_boxes import carries_values

AFFINE = np.array([[0.8, 0.3, 5], [-0.2, 1.1, -7], [0, 0, 1]])
FLIP = np.array([[-1.0, 0, 159], [0, 1, 0], [0, 0, 1]])
MOVES = {
    'flip': lambda boxes: boxes.flip_((100, 160)),
    'upside down': lambda boxes: boxes.flip_((100, 160), 'vertical'),
    'both': lambda boxes: boxes.flip_((100, 160), 'diagonal'),
    'shift': lambda boxes: boxes.translate_((3.5, np.float64(-2))),
    'scale': lambda boxes: boxes.rescale_((0.5, 2.0)),
    'turn': lambda boxes: boxes.rotate_((40, 30), 25),
    'map': lambda boxes: boxes.project_(AFFINE),
    'tensor': lambda boxes: boxes.project_(torch.tensor(AFFINE, dtype=boxes.dtype)),
    'flip_by_matrix': lambda boxes: boxes.project_(FLIP),
    'clip': lambda boxes: boxes.clip_((50, 50)),
    'grow': lambda boxes: boxes.resize_((2, 3)),
}


def loaded(**sample):
    return load(**sample)['gt_bboxes']


def oracle(point, move):
    """Applies a transform to a point with mmdet: a box without a size."""
    dot = HorizontalBoxes([[*point, *point]], dtype=torch.float64)
    MOVES[move](dot)
    return dot.tensor[0, :2].numpy()


@pytest.mark.parametrize('move', MOVES)
def test_the_boxes_are_those_of_mmdet_to_the_bit(move):
    boxes = loaded()
    plain = HorizontalBoxes(boxes.tensor)
    MOVES[move](boxes)
    MOVES[move](plain)
    assert torch.equal(boxes.tensor, plain.tensor)
    assert boxes.is_inside((90, 90)).equal(plain.is_inside((90, 90)))
    overlaps = BaseBoxes.overlaps
    assert overlaps is not PropertyBoxes.overlaps
    assert torch.equal(
        PropertyBoxes.overlaps(boxes, boxes), HorizontalBoxes.overlaps(plain, plain)
    )


@pytest.mark.parametrize(
    'move', [name for name in MOVES if name not in ('clip', 'grow')]
)
def test_values_go_where_the_image_goes(move):
    before, boxes = loaded(), loaded()
    MOVES[move](boxes)
    assert boxes.moved
    assert_moved(before.values, boxes.values, lambda point: oracle(point, move))


@pytest.mark.parametrize('move', ['clip', 'grow'])
def test_what_leaves_the_image_in_place_leaves_values_alone(move):
    before, boxes = loaded(), loaded()
    MOVES[move](boxes)
    assert not boxes.moved
    for key, value in before.values.items():
        assert torch.equal(boxes.values[key], value)


INDICES = [
    1,
    -1,
    [2, 0],
    slice(1, None),
    torch.tensor([True, False, True]),
    np.array([False, False, False]),
    np.array([2, 2]),
    torch.tensor([], dtype=torch.long),
    Ellipsis,
]


@pytest.mark.parametrize('index', INDICES, ids=str)
def test_rows_are_chosen_together(index):
    boxes = loaded()
    chosen, plain = boxes[index], HorizontalBoxes(boxes.tensor)[index]
    assert torch.equal(chosen.tensor, plain.tensor)
    assert len(chosen.values['keypoints']) == len(plain)
    # The first joint was put into the middle of the box.
    assert torch.equal(chosen.values['keypoints'][:, 0], chosen.centers)
    assert chosen.values['ages'].shape == (len(plain),)


COPIES = {
    'clone': lambda boxes: boxes.clone(),
    'deepcopy': copy.deepcopy,
    'to': lambda boxes: boxes.to(torch.float64).to(torch.float32),
    'cpu': lambda boxes: boxes.cpu(),
    'detach': lambda boxes: boxes.detach(),
    'split': lambda boxes: PropertyBoxes.cat(boxes.split([1, 2])),
    'chunk': lambda boxes: PropertyBoxes.cat(boxes.chunk(2)),
    'cat': lambda boxes: boxes[:0].cat([boxes[:1], boxes[1:], boxes.empty_boxes()]),
}


@pytest.mark.parametrize('copy_method', COPIES)
def test_copies_keep_everything(copy_method):
    boxes = loaded()
    boxes.translate_((1, 1))
    copied = COPIES[copy_method](boxes)
    assert torch.equal(copied.tensor, boxes.tensor)
    assert copied.moved
    assert copied.values.keys() == boxes.values.keys()
    for key, value in boxes.values.items():
        assert torch.equal(copied.values[key], value)
    copied.flip_((100, 160))
    assert not torch.equal(copied.values['angles'], boxes.values['angles'])


def test_a_type_goes_for_boxes_and_values():
    boxes = loaded().to(torch.float64)
    assert boxes.dtype == boxes.values['keypoints'].dtype == torch.float64
    boxes.project_(AFFINE)
    assert boxes.values['keypoints'].dtype == torch.float64


def test_rows_are_written_together():
    boxes, other = loaded(), loaded(seed=1)
    boxes[np.array([True, False, False])] = other[2]
    ages = [other.values['ages'][2:], loaded().values['ages'][1:]]
    assert torch.equal(boxes.values['ages'], torch.cat(ages))
    assert torch.equal(boxes.tensor[0], other.tensor[2])


def test_other_shapes_lose_values():
    boxes = loaded()
    for other in (boxes[None], boxes.unsqueeze(0), boxes.repeat(2, 1)):
        assert not carries_values(other)
    assert carries_values(boxes)
    assert not carries_values(boxes.convert_to('hbox'))


def test_one_that_was_moved_moves_all():
    boxes, moved = loaded(), loaded()
    moved.translate_((1, 0))
    assert not boxes.cat([boxes, boxes]).moved
    assert boxes.cat([boxes, moved]).moved


def test_what_cannot_be_joined_is_refused():
    boxes = loaded()
    with pytest.raises(
        ValueError, match=r"'HorizontalBoxes'\] cannot be concatenated: a transform"
    ):
        boxes.cat([boxes, HorizontalBoxes(boxes.tensor)])
    fewer = load(dict(age=CONFIGS['age']))['gt_bboxes']
    with pytest.raises(ValueError, match='the same properties'):
        boxes.cat([boxes, fewer])


def test_a_perspective_is_refused():
    with pytest.raises(ValueError, match='perspective'):
        loaded().project_(np.array([[1, 0, 0], [0, 1, 0], [1e-3, 0, 1]]))
    boxes = loaded()
    boxes.project_(3 * np.eye(3))  # the same as none
    assert not boxes.moved


def test_keys_are_not_shared():
    age = CONFIGS['age']
    with pytest.raises(ValueError, match="a and b both have the key 'ages'"):
        build_properties(dict(a=age, b=age))
    with pytest.raises(ValueError, match="'scores', a field that every object has"):
        build_properties(dict(a=dict(age, key='scores')))
    with pytest.raises(ValueError, match='properties is empty'):
        properties_by_key({})
