import warnings

import numpy as np
import pytest
from mmengine.visualization import Visualizer

from mmdet_centernet.codecs import (
    AngleProperty,
    KeypointsProperty,
    Property,
    ScalarProperty,
    VectorProperty,
)
from mmdet_centernet.visualization import draw_properties
from mmdet_centernet.visualization.draw_properties import describe

COLOR = (250, 60, 20)
BOX = [40.0, 20, 120, 100]  # its center is 80, 60
SHAPE = (140, 200)


class Odd(Property):
    """A property type that a user defines."""


def draw(properties, values, boxes=(BOX,), **options):
    """Draws on a black image; returns the (140, 200) mask of changed pixels."""
    visualizer = Visualizer()
    visualizer.set_image(np.zeros((*SHAPE, 3), np.uint8))
    values = {key: np.array(rows, np.float32) for key, rows in values.items()}
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        draw_properties(
            visualizer, np.array(boxes), values, properties, COLOR, **options
        )
    image = visualizer.get_image().astype(int)
    assert image.shape == (*SHAPE, 3)
    return image.sum(axis=2) > 60


def ink(mask, x, y, reach=2):
    """Returns whether something was drawn around a point."""
    return bool(mask[y - reach : y + reach + 1, x - reach : x + reach + 1].any())


def where(mask):
    """x1, y1, x2, y2 of the drawing."""
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max(), ys.max()]


@pytest.mark.parametrize(
    'angle, tip, tail',
    [
        (0, (119, 60), (42, 60)),
        (90, (80, 99), (80, 22)),
        (180, (41, 60), (118, 60)),
        (45, (107, 87), (53, 33)),
    ],
)
def test_angles_are_arrows_from_the_center(angle, tip, tail):
    """Angles run from the x axis toward the y axis, which points down."""
    mask = draw(dict(a=AngleProperty('angles')), dict(angles=[angle]))
    assert ink(mask, 80, 60)
    assert ink(mask, *tip)
    assert not ink(mask, *tail)
    line = draw(dict(a=AngleProperty('angles', period=180)), dict(angles=[angle]))
    assert ink(line, *tip)
    assert ink(line, *tail)


def test_lines_have_no_head():
    arrow, line = (
        draw(dict(a=AngleProperty('angles', period=period)), dict(angles=[0.0]))
        for period in (360, 180)
    )
    assert where(arrow)[3] - where(arrow)[1] > 8
    assert where(line)[3] - where(line)[1] < 5


def test_displacements_have_their_length():
    prop = VectorProperty('motions', is_displacement=True)
    mask = draw(dict(motion=prop), dict(motions=[[50, -40]]))
    assert ink(mask, 80, 60)
    assert ink(mask, 130, 20)
    assert not ink(mask, 140, 12)
    x1, _, x2, y2 = where(mask)
    assert x1 == pytest.approx(80, abs=3)
    assert x2 == pytest.approx(130, abs=5)
    assert y2 == pytest.approx(60, abs=3)


def test_arrows_are_clipped_to_the_image():
    prop = VectorProperty('motions', is_displacement=True)
    mask = draw(dict(motion=prop), dict(motions=[[400, 0]]))
    assert where(mask)[2] == SHAPE[1] - 1
    assert not draw(
        dict(motion=prop), dict(motions=[[9, 9]]), boxes=[[900, 900, 910, 910]]
    ).any()
    assert not draw(dict(motion=prop), dict(motions=[[0, 0]]))[0].any()


def test_keypoints_are_dots_and_limbs():
    joints = dict(joints=KeypointsProperty(num_points=4))
    points = [[50.0, 30], [110, 30], [np.nan] * 2, [300, 300]]
    mask = draw(joints, dict(keypoints=[points]))
    assert ink(mask, 50, 30)
    assert ink(mask, 110, 30)
    assert not ink(mask, 80, 30)
    assert mask.sum() < 200
    limbs = draw(joints, dict(keypoints=[points]), skeleton=[(0, 1), (1, 2), (0, 9)])
    assert ink(limbs, 80, 30)
    assert where(limbs) == pytest.approx(where(mask), abs=1)


def test_dots_on_the_border_do_not_shift_the_image():
    visualizer = Visualizer()
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[::7, ::5] = 255
    visualizer.set_image(image)
    expected = visualizer.get_image()  # matplotlib 3.10 shifts images by a pixel
    visualizer.set_image(image)
    points = np.array([[[0.0, 0], [199.9, 139.9], [0, 70]]])
    joints = dict(joints=KeypointsProperty(num_points=3))
    boxes = np.array([[0.0, 0, 200, 140]])
    values = dict(keypoints=points)
    draw_properties(visualizer, boxes, values, joints, COLOR)
    middle = np.s_[20:60, 20:180]
    np.testing.assert_array_equal(visualizer.get_image()[middle], expected[middle])


def test_texts_of_small_boxes_are_small():
    heights = []
    for side in (30, 90, 200):
        box = [0, 130 - side, side, 130]
        mask = draw(dict(odd=Odd('odds')), dict(odds=[7]), boxes=[box])
        _, top, _, bottom = where(mask)
        heights.append(bottom - top)
    assert heights[0] < heights[1] < 2.2 * heights[0]
    assert heights[1] == pytest.approx(heights[2], abs=2)


def test_texts_can_have_another_color():
    visualizer = Visualizer()
    visualizer.set_image(np.zeros((*SHAPE, 3), np.uint8))
    odd, values = dict(odd=Odd('odds')), dict(odds=np.array([7.0]))
    boxes = np.array([BOX])
    draw_properties(visualizer, boxes, values, odd, COLOR, text_color=(10, 250, 10))
    red, green, _ = visualizer.get_image().reshape(-1, 3).max(axis=0)
    assert red < 60 < 150 < green


def test_other_properties_are_texts_at_the_lower_left_corner():
    properties = dict(
        distance=ScalarProperty('distances'),
        sides=VectorProperty('sides', num_channels=3),
        odd=Odd('odds'),
    )
    values = dict(distances=[0.52], sides=[[1, 2, 3]], odds=[7])
    x1, y1, _, y2 = where(draw(properties, values))
    assert x1 == pytest.approx(BOX[0], abs=4)
    assert BOX[3] - 12 < y2 <= BOX[3]
    one = where(draw(dict(odd=Odd('odds')), dict(odds=[7])))
    assert y2 - y1 > 2.5 * (one[3] - one[1])
    assert draw(properties, values, boxes=[[-30, 90, 60, 200]]).any()


def test_texts():
    assert describe('depth', np.array([0.524])) == ['depth 0.52']
    assert describe('depth', np.array([23.456])) == ['depth 23.5']
    assert describe('depth', np.array([-1234.56])) == ['depth -1235']
    assert describe('depth', np.array([9.996])) == ['depth 10.0']
    assert describe('sides', np.array([1, np.nan])) == ['sides 1.00 ?']
    assert describe('sides', np.array([np.nan, np.nan])) == []


ALL = dict(
    angle=AngleProperty('angles'),
    line=AngleProperty('lines', period=180),
    motion=VectorProperty('motions', is_displacement=True),
    joints=KeypointsProperty(num_points=2),
    age=ScalarProperty('ages'),
    odd=Odd('odds'),
)


def unlabeled(count):
    return {
        prop.key: np.full((count, *prop.row_shape), np.nan) for prop in ALL.values()
    }


def test_unlabeled_values_are_not_drawn():
    assert not draw(ALL, unlabeled(1), skeleton=[(0, 1)]).any()
    assert not draw(ALL, {}).any()
    nothing = {key: value[:0] for key, value in unlabeled(1).items()}
    assert not draw(ALL, nothing, boxes=np.zeros((0, 4))).any()


def test_zoom_scales_positions_but_not_texts():
    values = dict(
        angles=[30.0], lines=[100.0], motions=[[9, 9]], ages=[3.0], odds=[1.0]
    )
    values['keypoints'] = [[[25.0, 15], [np.nan] * 2]]
    half = np.array([BOX]) / 2
    twice = values | dict(motions=[[18, 18]], keypoints=[[[50.0, 30], [np.nan] * 2]])
    np.testing.assert_array_equal(draw(ALL, values, half, zoom=2), draw(ALL, twice))
