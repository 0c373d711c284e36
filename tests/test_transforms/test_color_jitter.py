import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

from mmdet_centernet.functional.color import BLENDS, change_colors
from mmdet_centernet.transforms import CenterNetColorJitter


def draw_image():
    return np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)


def test_applies_what_it_draws():
    transform = TRANSFORMS.build(dict(type='CenterNetColorJitter'))
    np.random.seed(3)
    draws = transform._draw()
    np.random.seed(3)
    changed = transform(dict(img=draw_image()))['img']
    assert changed.dtype == np.float32
    assert np.array_equal(changed, change_colors(draw_image(), draws))


def test_draws_are_distributed_as_official():
    np.random.seed(0)
    transform = CenterNetColorJitter()
    draws = [transform._draw() for _ in range(3000)]
    orders = [tuple(name for name, _ in one.blends) for one in draws]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 400
    shares = np.array([[share for _, share in one.blends] for one in draws])
    assert 0.6 <= shares.min() < 0.61
    assert 1.39 < shares.max() <= 1.4
    assert shares.std() == pytest.approx(0.8 / np.sqrt(12), rel=0.03)
    lights = np.array([one.lights for one in draws])
    assert lights.mean() == pytest.approx(0, abs=0.005)
    assert lights.std() == pytest.approx(0.1, rel=0.03)
    assert all(set(order) == set(BLENDS) for order in orders)


def test_strength_zero_and_no_light_change_nothing():
    transform = CenterNetColorJitter(strength=0, light_std=0)
    changed = transform(dict(img=draw_image()))['img']
    np.testing.assert_allclose(changed, draw_image(), atol=1e-4)


@pytest.mark.parametrize('shape', [(8, 9), (8, 9, 1), (8, 9, 4)])
def test_images_without_three_colors_are_named(shape):
    results = dict(img=np.zeros(shape, np.uint8), img_path='some/scan.png')
    with pytest.raises(ValueError, match=r"some/scan\.png .* color_type='color'"):
        CenterNetColorJitter()(results)


@pytest.mark.parametrize('kwargs', [dict(strength=-0.1), dict(light_std=-1)])
def test_negative_arguments_are_refused(kwargs):
    with pytest.raises(ValueError, match='negative'):
        CenterNetColorJitter(**kwargs)
