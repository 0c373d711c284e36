import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.shared_data import load_golden
from mmdet_centernet.functional.window import (
    crop_margin,
    flip_matrix,
    padded_length,
    window_matrix,
)


def test_matrices_equal_golden():
    golden = load_golden('geometry')
    angles = golden['affine__rot_deg'].tolist()
    assert [len(angles), angles.count(0)] == [180, 160]
    for i, angle in enumerate(angles):
        matrix = window_matrix(
            golden['affine__center'][i],
            golden['affine__scale'][i][0],
            golden['affine__out_wh'][i],
            angle,
        )
        if golden['affine__inv'][i]:
            matrix = np.linalg.inv(matrix)
        expected = golden['affine__trans'][i]
        gap = np.abs(matrix[:2] - expected).max()
        assert gap <= 1e-5 * np.abs(expected).max()
        points = golden['affine__points_in'][i] @ matrix[:2, :2].T + matrix[:2, 2]
        np.testing.assert_allclose(
            points, golden['affine__points_out'][i], rtol=1e-5, atol=1e-3
        )


coordinate = st.floats(-500, 1500, width=32)


@given(
    st.tuples(coordinate, coordinate),
    st.floats(8, 2000, width=32),
    st.tuples(st.integers(32, 1024), st.integers(32, 1024)),
    st.tuples(coordinate, coordinate),
)
def test_matrix_is_a_zoom_from_center_to_middle(center, side, size, point):
    zoom = size[0] / side
    moved = window_matrix(center, side, size) @ [*point, 1.0]
    expected = zoom * np.subtract(point, center) + np.divide(size, 2)
    np.testing.assert_allclose(moved[:2], expected, rtol=1e-3, atol=0.05 * zoom)
    assert moved[2] == 1


def test_a_window_as_wide_as_the_view_is_only_moved():
    matrix = window_matrix((213, 140), 448, (448, 288))
    np.testing.assert_allclose(
        matrix, [[1, 0, 11], [0, 1, 4], [0, 0, 1]], rtol=0, atol=1e-12
    )


def test_a_turned_window_equals_golden():
    golden = load_golden('pose')
    center, side = golden['train_rot__c'], golden['train_rot__s'].item()
    matrix = window_matrix(center, side, (128, 128), golden['train_rot__rot'].item())
    expected = golden['train_rot__trans_output_rot']
    np.testing.assert_allclose(matrix[:2], expected, rtol=0, atol=2e-6)


def test_a_window_turned_clockwise_shows_its_content_turned_back():
    matrix = window_matrix((50, 40), 100, (100, 100), 90)
    # What lay to the right of the center comes to lie above the middle.
    np.testing.assert_allclose(matrix @ [60, 40, 1], [50, 40, 1], atol=1e-4)


def test_a_flip_exchanges_first_and_last_column_and_undoes_itself():
    flip = flip_matrix(10)
    assert (flip @ [0, 3, 1]).tolist() == [9, 3, 1]
    assert np.array_equal(flip @ flip, np.eye(3))


@pytest.mark.parametrize(
    ('length', 'pad', 'expected'),
    [(640, 31, 672), (480, 31, 512), (427, 31, 448), (1, 31, 32), (640, 127, 768)],
)
def test_padded_length(length, pad, expected):
    assert padded_length(length, pad) == expected


def test_margins_equal_golden():
    golden = load_golden('geometry')
    margins = [crop_margin(128, int(size)) for size in golden['border__size']]
    assert margins == golden['border__border128'].tolist()


@given(st.integers(0, 1000), st.integers(1, 5000))
def test_margins_leave_room_and_are_not_halved_too_often(border, length):
    margin = crop_margin(border, length)
    assert margin in [border >> halvings for halvings in range(11)]
    assert 0 <= margin < length - margin
    assert margin == border or 2 * margin + 1 >= length - 2 * margin - 1
