import cv2
import numpy as np
import pytest

from helpers.shared_data import golden_cases, load_golden
from mmdet_centernet.functional.color import (
    BLENDS,
    LIGHT_VALUES,
    LIGHT_VECTORS,
    ColorDraws,
    change_colors,
    color_matrix,
)

DARK = np.zeros(3)


def draw_image(dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (75, 30, 3)).astype(dtype)


@pytest.mark.parametrize('case', golden_cases('color_aug', 'three_uniform_draws'))
def test_equals_golden(case):
    golden = load_golden('color_aug')
    shares = 1 + golden[f'{case}__three_uniform_draws']
    names = golden[f'{case}__order'].tolist()
    draws = ColorDraws(
        list(zip(names, shares, strict=True)), golden[f'{case}__lighting_alpha']
    )
    changed = change_colors(golden[f'{case}__in'] * 255, draws) / 255
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, golden[f'{case}__out'], rtol=0, atol=2e-6)


def test_principal_components_equal_golden():
    golden = load_golden('color_aug')
    np.testing.assert_array_equal(LIGHT_VALUES.astype('f4'), golden['eig_val'])
    np.testing.assert_array_equal(LIGHT_VECTORS.astype('f4'), golden['eig_vec'])


def test_lights_add_principal_components():
    lights = np.array([0.3, -0.2, 0.1])
    matrix = color_matrix(ColorDraws([], lights), 0.0)
    added = sum(
        255 * light * value * component
        for light, value, component in zip(
            lights, LIGHT_VALUES, LIGHT_VECTORS.T, strict=True
        )
    )
    np.testing.assert_allclose(matrix[:, :3], np.eye(3))
    np.testing.assert_allclose(matrix[:, 3], added, rtol=1e-12)


def test_uint8_and_float_images_give_the_same():
    draws = ColorDraws([('saturation', 0.7), ('contrast', 1.3)], np.array([0.1, 0, 0]))
    np.testing.assert_allclose(
        change_colors(draw_image(), draws),
        change_colors(draw_image(np.float32), draws),
        rtol=0,
        atol=1e-3,
    )


def test_the_image_that_was_given_is_left_alone():
    image = draw_image(np.float32)
    before = image.copy()
    change_colors(image, ColorDraws([('brightness', 0.5)], DARK))
    assert np.array_equal(image, before)


def test_packing_copies_nothing():
    changed = change_colors(draw_image(), ColorDraws([('brightness', 0.5)], DARK))
    assert changed.transpose(2, 0, 1).flags.c_contiguous


def test_nothing_happens_where_the_image_keeps_all():
    draws = ColorDraws([(name, 1.0) for name in BLENDS], DARK)
    changed = change_colors(draw_image(), draws)
    np.testing.assert_allclose(changed, draw_image(), atol=1e-4)


def test_without_saturation_the_image_is_its_gray_version():
    gray = cv2.cvtColor(draw_image(np.float32), cv2.COLOR_BGR2GRAY)
    changed = change_colors(draw_image(), ColorDraws([('saturation', 0.0)], DARK))
    np.testing.assert_allclose(changed, np.dstack([gray] * 3), atol=1e-3)


def test_without_contrast_the_image_is_its_mean_gray():
    mean = cv2.cvtColor(draw_image(np.float32), cv2.COLOR_BGR2GRAY).mean()
    changed = change_colors(draw_image(), ColorDraws([('contrast', 0.0)], DARK))
    np.testing.assert_allclose(changed, mean, rtol=1e-5)


def test_bright_colors_are_not_clipped():
    changed = change_colors(draw_image(), ColorDraws([('brightness', 1.4)], DARK))
    np.testing.assert_allclose(changed, draw_image() * np.float32(1.4), rtol=1e-5)
    assert changed.max() > 255


def test_blends_do_not_commute_as_grays_are_those_of_the_unchanged_image():
    steps = [('brightness', 0.6), ('contrast', 0.8)]
    ahead = color_matrix(ColorDraws(steps, DARK), 100.0)
    back = color_matrix(ColorDraws(steps[::-1], DARK), 100.0)
    assert ahead[:, 3] == pytest.approx(20.0)
    assert back[:, 3] == pytest.approx(12.0)


def test_unknown_blend_is_refused():
    with pytest.raises(KeyError, match='hue'):
        color_matrix(ColorDraws([('hue', 0.5)], DARK), 0.0)
