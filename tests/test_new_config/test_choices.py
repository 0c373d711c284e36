import numpy as np
import pytest

from mmdet_centernet.new_config import choices
from mmdet_centernet.new_config.backbones import BACKBONES, find_backbone

GB = 2**30


def choose_scale(shorter_sides, *image):
    sides = np.array([(side, 2 * side) for side in shorter_sides], float)
    images = np.tile(np.array(image, float), (len(sides), 1))
    return choices.choose_scale(sides, images, images)


def test_the_input_gives_nine_of_ten_objects_two_cells():
    """Eleven objects; the second smallest decides: 8 of 20 pixels."""
    sides = [3, 20, *[50] * 9]
    assert choose_scale(sides, 1280, 960) == (512, 384)
    assert choose_scale(sides, 960, 1280) == (384, 512)
    # A hair smaller, and the next multiple of 32 is needed.
    assert choose_scale([3, 19.9, *[50] * 9], 1280, 960) == (544, 416)


@pytest.mark.parametrize(
    ('side', 'image', 'scale'),
    [
        (200, (640, 480), (320, 256)),  # no smaller than the recipe was measured with
        (4, (640, 480), (640, 480)),  # no larger than the image
        (4, (650, 500), (640, 512)),
        (4, (4000, 3000), (1024, 768)),  # no larger than 1,024
        (40, (64, 48), (64, 64)),  # an image smaller than all that
        (40, (20, 20), (32, 32)),
    ],
)
def test_limits_of_the_input(side, image, scale):
    assert choose_scale([side], *image) == scale


def test_what_is_too_small_is_counted():
    sides = np.array([(16, 20), (15.9, 20), (17, 17), (8, 8)])
    images = np.array([(640, 480), (640, 480), (480, 640), (320, 240)])
    factors = choices.scale_factors(images, (320, 240))
    assert factors.tolist() == [0.5, 0.5, 0.5, 1]
    assert choices.too_small(sides, factors).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ('standing', 'crop'), [(0, (320, 256)), (1, (320, 256)), (5, (320, 320))]
)
def test_crops_fit_lying_and_standing_images(standing, crop):
    images = np.array([(480, 640)] * standing + [(640, 480)] * (10 - standing))
    assert choices.choose_crop((320, 240), images) == crop
    assert choices.choose_crop((320, 240), images[:, ::-1]) == crop[::-1]


@pytest.mark.parametrize(
    ('free', 'on_gpu', 'size'),
    [
        (0.1 * GB, False, 1),
        (0.625 * GB - 1, False, 2),  # 2 x 4 x 80 MB
        (0.625 * GB, False, 4),
        (1.25 * GB - 1, True, 4),  # 2 x 8 x 80 MB
        (1.25 * GB, True, 8),
        (64 * GB, False, 4),
        (64 * GB, True, 8),
    ],
)
def test_batch_size_takes_half_of_the_memory(free, on_gpu, size):
    assert choices.choose_batch_size((320, 256), 1.0, free, on_gpu=on_gpu) == size


def test_a_deeper_backbone_takes_more():
    sizes = [
        choices.choose_batch_size(
            (640, 640), BACKBONES[name].kilobytes_per_pixel, 5 * GB, on_gpu=True
        )
        for name in ('resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152')
    ]
    assert sizes == [4, 4, 2, 1, 1]


@pytest.mark.parametrize(
    ('images', 'on_gpu', 'epochs'),
    [(205, False, 38), (205, True, 77), (3, False, 300), (100_000, False, 8)],
)
def test_epochs_make_about_a_thousand_steps(images, on_gpu, epochs):
    assert choices.choose_epochs(images, 8, on_gpu=on_gpu) == epochs


@pytest.mark.parametrize(('total', 'steps'), [(1, 1), (9, 1), (100, 10), (10**4, 50)])
def test_warm_up_is_short(total, steps):
    assert choices.choose_warm_up(total) == steps


@pytest.mark.parametrize(('epochs', 'interval'), [(1, 1), (8, 1), (24, 3), (300, 38)])
def test_about_eight_validations(epochs, interval):
    assert choices.choose_val_interval(epochs) == interval


@pytest.mark.parametrize(
    ('pixels', 'unit'), [(1, 1), (16, 2), (128, 16), (120, 16), (4000, 64)]
)
def test_unit_is_half_of_the_largest_objects(pixels, unit):
    assert choices.choose_wh_unit(np.array([pixels] * 9)) == unit


@pytest.mark.parametrize(
    ('most', 'peaks'), [(0, 100), (50, 100), (51, 200), (300, 600)]
)
def test_there_are_twice_as_many_peaks_as_objects(most, peaks):
    assert choices.choose_topk(most) == peaks


def test_backbones_by_name():
    assert [find_backbone(name.upper()) for name in BACKBONES] == [*BACKBONES.values()]
    for name in ('resnet', 'resnet20', 'swin-t', 'resnet50-dcn'):
        with pytest.raises(ValueError, match=r'in_channels of model\.neck'):
            find_backbone(name)
