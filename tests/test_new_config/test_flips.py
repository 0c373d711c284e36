import pytest

from mmdet_centernet.new_config.skeleton import find_flips


@pytest.mark.parametrize(
    ('left', 'right'),
    [
        ('left_eye', 'right_eye'),
        ('eye_left', 'eye_right'),
        ('Left Eye', 'Right Eye'),
        ('leftEye', 'rightEye'),
        ('LEye', 'REye'),
        ('eyeL', 'eyeR'),
        ('l-eye', 'r-eye'),
        ('L_eye2', 'R_eye2'),
        ('lefteye', 'righteye'),
        ('LEFT_EYE', 'RIGHT_EYE'),
        ('left', 'right'),
        ('l', 'r'),
        ('top_left_corner', 'top_right_corner'),
    ],
)
def test_sides_are_found(left, right):
    assert find_flips([left, 'nose', right]) == (((0, 2),), '')
    assert find_flips([right, left]) == (((0, 1),), '')


def test_pairs_do_not_mix_up_parts():
    names = ['left_eye', 'left_ear', 'right_ear', 'right_eye', 'r_ear', 'l_ear']
    assert find_flips(names).pairs == ((0, 3), (1, 2), (4, 5))


@pytest.mark.parametrize('names', [['tip', 'handle'], ['bright', 'cleft'], ['1']])
def test_without_sides_a_flip_keeps_names(names):
    assert find_flips(names) == ((), '')


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['left_eye', 'right_eye', 'left_ear'], 'left_ear name a side'),
        (['corner1', 'corner2', 'corner3'], 'names like corner1, corner2 and 1 more'),
        (['a', 'b'], 'do not tell what a flip exchanges'),
    ],
)
def test_problems_are_reported(names, message):
    assert message in find_flips(names).problem
