import numpy as np
import pytest
import torch

from mmdet_centernet.functional.affine import (
    check_way_back,
    image_matrix,
    map_boxes,
    unpad_matrix,
)


def apply(matrix, *point):
    return (matrix @ [*point, 1.0])[:2].tolist()


@pytest.mark.parametrize('key', ['border', 'pad_param'])
def test_unpad_moves_the_first_pixel_of_the_image_to_zero(key):
    matrix = unpad_matrix({key: np.array([7.0, 100.0, 3.0, 90.0], dtype=np.float32)})
    assert apply(matrix, 3, 7) == [0.0, 0.0]
    assert apply(matrix, 13, 27) == [10.0, 20.0]


def test_without_any_meta_nothing_moves():
    assert np.array_equal(unpad_matrix({}), np.eye(3))
    assert np.array_equal(image_matrix({}), np.eye(3))


def test_scale_factor_is_undone_after_the_border():
    meta = dict(border=[4.0, 0, 2.0, 0], scale_factor=(2.0, 0.5))
    assert apply(image_matrix(meta), 2 + 2 * 30, 4 + 0.5 * 40) == [30.0, 40.0]


def test_homography_wins_over_scale_factor_and_is_inverted():
    forward = np.array([[-1.5, 0.2, 640], [0.1, 0.7, -20], [0, 0, 1]])
    meta = dict(homography_matrix=forward, scale_factor=(3.0, 3.0))
    np.testing.assert_allclose(image_matrix(meta) @ forward, np.eye(3), atol=1e-12)


@pytest.mark.parametrize('key', ['homography_matrix', 'scale_factor'])
def test_metas_of_lower_precision_are_lifted_before_they_are_undone(key):
    third = np.float32(1 / 3)
    forward = np.diag([third, third, 1]).astype(np.float32)
    meta = {key: np.array([third] * 2) if key == 'scale_factor' else forward}
    np.testing.assert_allclose(
        image_matrix(meta), np.diag([1 / float(third)] * 2 + [1]), rtol=1e-15
    )


@pytest.mark.parametrize(
    ('path', 'name'),
    [(dict(img_path='some/photo.jpg'), r'some/photo\.jpg'), ({}, 'an image')],
)
def test_errors_name_the_image(path, name):
    singular = dict(homography_matrix=np.zeros((3, 3)), **path)
    with pytest.raises(ValueError, match=f'of {name} is singular'):
        image_matrix(singular)
    with pytest.raises(ValueError, match=f'^{name} of '):
        check_way_back(dict(ori_shape=(60, 80), img_shape=(64, 80), **path))


@pytest.mark.parametrize(
    'meta',
    [
        {},
        dict(ori_shape=(60, 80)),
        dict(ori_shape=(60, 80, 3), img_shape=(60, 80)),
        dict(ori_shape=(60, 80), img_shape=(96, 96), homography_matrix=np.eye(3)),
        dict(ori_shape=(60, 80), img_shape=(30, 40), scale_factor=(0.5, 0.5)),
        dict(ori_shape=(60, 80), img_shape=(64, 96), border=[2.0, 62, 8, 88]),
        dict(ori_shape=(60, 80), img_shape=(64, 96), pad_param=[2.0, 2, 8, 8]),
    ],
)
def test_the_way_back_is_known(meta):
    check_way_back(meta)


@pytest.mark.parametrize('img_shape', [(30, 40), (60, 96), (64, 80)])
def test_a_change_of_size_that_nothing_explains_comes_with_the_remedy(img_shape):
    meta = dict(ori_shape=(60, 80), img_shape=img_shape)
    with pytest.raises(ValueError, match='no key records how') as refusal:
        check_way_back(meta)
    for word in (
        f'{(60, 80)} pixels became {img_shape}',
        'meta_keys of PackDetInputs',
        'homography_matrix for CenterAffine',
        'Resize',
        'border for RandomCenterCropPad',
        'data_preprocessor.pad_size_divisor',
    ):
        assert word in str(refusal.value)


def random_boxes(generator, *shape):
    corners = torch.rand((*shape, 2, 2), generator=generator) * 100
    return torch.cat([corners.amin(-2), corners.amax(-2)], -1)


def test_mapped_box_is_the_box_around_its_mapped_corners():
    generator = torch.Generator().manual_seed(0)
    boxes = random_boxes(generator, 3, 8)
    matrices = torch.randn((3, 3, 3), generator=generator)
    matrices[:, 2] = torch.tensor([0.0, 0, 1])
    mapped = map_boxes(boxes, matrices)
    for i in range(3):
        for k in range(8):
            x1, y1, x2, y2 = boxes[i, k].tolist()
            corners = torch.tensor([[x1, x2, x1, x2], [y1, y1, y2, y2], [1, 1, 1, 1]])
            moved = matrices[i].double() @ corners.double()
            expected = torch.cat([moved[:2].amin(1), moved[:2].amax(1)])
            torch.testing.assert_close(mapped[i, k], expected, rtol=0, atol=1e-9)


def test_boxes_come_back_through_the_inverse_where_axes_stay_axes():
    generator = torch.Generator().manual_seed(1)
    boxes = random_boxes(generator, 2, 5)
    matrices = torch.tensor(
        [
            [[-2.0, 0, 300], [0, 0.5, 7], [0, 0, 1]],
            [[0, 3.0, 1], [1.5, 0, -4], [0, 0, 1]],
        ]
    )
    back = map_boxes(map_boxes(boxes, matrices), matrices.inverse())
    torch.testing.assert_close(back, boxes.double(), rtol=0, atol=1e-4)
