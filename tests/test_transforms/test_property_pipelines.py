"""Values of properties come through the steps of mmdet and of this package, or the step
is refused by its name."""

import random

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import Albu
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from helpers.properties import (
    BOXES,
    CONFIGS,
    SHAPE,
    assert_moved,
    compose,
    load,
    raw_sample,
    values_of,
)

LOAD = (
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=CONFIGS),
)
PACK = dict(type='PackPropertyInputs')
RECORDED = [
    dict(type='Resize', scale=(80, 70), keep_ratio=False),
    dict(type='Resize', scale=(300, 300), keep_ratio=True),
    dict(type='FixScaleResize', scale=(333, 222), keep_ratio=True),
    dict(type='FixShapeResize', width=120, height=90, keep_ratio=True),
    dict(type='RandomResize', scale=(160, 100), ratio_range=(0.5, 2), keep_ratio=True),
    dict(
        type='RandomChoiceResize',
        scales=[(99, 99), (200, 150)],
        resize_type='Resize',
        keep_ratio=False,
    ),
    dict(type='ResizeShortestEdge', scale=77),
    dict(type='RandomFlip', prob=1.0),
    dict(type='RandomFlip', prob=1.0, direction='vertical'),
    dict(type='RandomFlip', prob=1.0, direction='diagonal'),
    dict(type='RandomCrop', crop_size=(90, 70), allow_negative_crop=True),
    dict(type='Rotate', level=6),
    dict(type='ShearX', level=5),
    dict(type='ShearY', level=5),
    dict(type='TranslateX', level=10),
    dict(type='TranslateY', level=10),
    dict(type='CenterAffine', pad=31, scale=1.5),
    dict(type='CenterAffine', size=(96, 64)),
    dict(type='RandomCenterAffine', size=(128, 96), border=8, flip_prob=1.0),
    dict(type='RandomCenterAffine', size=(128, 96), border=8, flip_prob=0.0),
]
SEEN = [
    *RECORDED,
    dict(type='RandomAffine', border=(5, 3)),
    dict(type='Pad', size_divisor=64),
    dict(type='Expand', prob=1.0),
    dict(type='MinIoURandomCrop', min_ious=(0.1,), min_crop_size=0.6),
    dict(
        type='RandomCenterCropPad',
        crop_size=(96, 96),
        ratios=(1.0, 1.2),
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=False,
        test_pad_mode=None,
    ),
    dict(type='RandomShift', prob=1.0, max_shift_px=20),
    dict(type='CutOut', n_holes=1, cutout_shape=(3, 3)),
    dict(type='PhotoMetricDistortion'),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(17, 1)),
]
MIXING = [
    dict(type='Mosaic', img_scale=(160, 100), center_ratio_range=(0.8, 1.2)),
    dict(type='MixUp', img_scale=(100, 160), flip_ratio=0.0, ratio_range=(0.8, 1.2)),
    dict(type='MixUp', img_scale=(100, 160), flip_ratio=1.0, ratio_range=(0.8, 1.2)),
]
CACHED = [
    dict(type='CachedMosaic', img_scale=(160, 100), max_cached_images=8),
    dict(type='CachedMixUp', img_scale=(160, 100), ratio_range=(0.8, 1.2)),
]


def name(step):
    return '-'.join(str(value) for value in step.values())[:60]


def seed(number=0):
    np.random.seed(number)
    random.seed(number)


@pytest.mark.parametrize('step', RECORDED, ids=name)
@pytest.mark.parametrize('number', range(3))
def test_values_follow_the_recorded_map(step, number):
    before = load()
    seed(number)
    results = compose(step)(load())
    boxes, left = results['gt_bboxes'], results['gt_bboxes_labels']
    matrix = results['homography_matrix'].astype(np.float64)

    def send(point):
        return (matrix @ [*point, 1])[:2]

    kept = before['gt_bboxes'][left]
    assert_moved(kept.values, boxes.values, send)
    assert boxes.moved


def scene(images):
    """Samples whose objects have labels of their own."""
    samples = []
    for number in range(images):
        boxes = (np.array(BOXES) + 5 * number).tolist()
        sample = raw_sample(boxes=boxes, seed=number)
        for instance in sample['instances']:
            instance['bbox_label'] += len(BOXES) * number
        samples.append(sample)
    return samples


def run(step, images, spot=None):
    """A step on samples with black images and maybe a spot: number of image, point."""
    seed()
    samples = []
    for number, raw in enumerate(scene(images)):
        raw['img'] = np.zeros((*SHAPE, 3), np.uint8)
        if spot is not None and spot[0] == number:
            ys, xs = np.indices(SHAPE) + 0.5  # middles of pixels
            distances = (xs - spot[1][0]) ** 2 + (ys - spot[1][1]) ** 2
            raw['img'][:] = (200 * np.exp(-distances / 8))[..., None]
        if step['type'] == 'RandomCenterCropPad':
            raw['img'] = raw['img'].astype(np.float32)
        samples.append(compose(*LOAD)(raw))
    transform = TRANSFORMS.build(dict(step))
    if step['type'].startswith('Cached'):
        for sample in samples[1:]:
            transform(sample)
        return transform(samples[0])
    if images > 1:
        samples[0]['mix_results'] = samples[1:]
    return transform(samples[0])


def middle(change):
    """Where an image has changed: center of mass, or None at its border or nowhere."""
    mass = np.abs(change).sum(axis=2)
    edge = np.concatenate([mass[0], mass[-1], mass[:, 0], mass[:, -1]])
    if mass.max() < 50 or edge.max() > 2:
        return None
    ys, xs = np.indices(mass.shape) + 0.5
    return np.array([(xs * mass).sum(), (ys * mass).sum()]) / mass.sum()


def images_of(step):
    return dict(Mosaic=4, MixUp=2, CachedMosaic=6, CachedMixUp=3).get(step['type'], 1)


@pytest.mark.parametrize('step', [*SEEN, *MIXING, *CACHED], ids=name)
def test_joints_are_where_the_image_shows_them(step):
    images = images_of(step)
    black = run(step, images)
    joints = black['gt_bboxes'].values['keypoints'].numpy()
    found = 0
    for row, label in enumerate(black['gt_bboxes_labels'].tolist()):
        number, place = divmod(label, len(BOXES))
        instance = scene(images)[number]['instances'][place]
        seen = [
            middle(
                run(step, images, (number, point))['img'] - black['img'].astype(float)
            )
            for point in instance['properties']['keypoints'].tolist()
        ]
        errors = [
            np.abs(np.array([np.subtract(s, p) for s, p in pairs]))
            for order in ([0, 1, 2], [0, 2, 1])  # as it was, or flipped
            if (
                pairs := [
                    (s, p)
                    for s, p in zip(seen, joints[row][order], strict=True)
                    if s is not None
                ]
            )
        ]
        if errors:
            found += 1
            assert min(error.max() for error in errors) < 1.0
    assert found > 0


REFUSED = {
    'RandomErasing': [dict(type='RandomErasing', n_patches=1, ratio=0.2)],
    'GTBoxSubOne_GLIP': [dict(type='GTBoxSubOne_GLIP')],
    'recompute_bbox=True': [
        dict(
            type='RandomCrop',
            crop_size=(95, 150),
            allow_negative_crop=True,
            recompute_bbox=True,
        )
    ],
}


@pytest.mark.parametrize('word', REFUSED)
def test_steps_that_lose_values_are_refused(word):
    results = load()
    results['gt_masks'] = BitmapMasks(np.ones((3, *SHAPE), np.uint8), *SHAPE)
    message = 'gt_bboxes of photo.jpg is a HorizontalBoxes without properties'
    with pytest.raises(ValueError, match=message) as raised:
        compose(*REFUSED[word], PACK)(results)
    assert word in str(raised.value)


def test_albu_is_refused():
    """Without albumentations: mmdet's code around a library that changes nothing."""
    step = object.__new__(Albu)
    step.keymap_to_albu = dict(img='image', gt_masks='masks', gt_bboxes='bboxes')
    step.keymap_back = {new: old for old, new in step.keymap_to_albu.items()}
    step.filter_lost_elements = False
    step.aug = lambda **results: results
    with pytest.raises(ValueError, match='lost the values: Albu'):
        compose(PACK)(step(load()))


def test_copy_paste_is_refused():
    seed(1)
    results = load()
    results['mix_results'] = [load(seed=1)]
    step = TRANSFORMS.build(dict(type='CopyPaste', paste_by_box=True))
    with pytest.raises(ValueError, match=r'cannot be concatenated: .*CopyPaste'):
        step(results)


def test_values_become_fields():
    raw = raw_sample()
    raw['instances'][1]['ignore_flag'] = 1
    sample = compose(*LOAD, dict(type='RandomFlip', prob=1.0), PACK)(raw)
    sample = sample['data_samples']
    expected = load()['gt_bboxes']
    expected.flip_(SHAPE)
    for instances, rows in (
        (sample.gt_instances, [0, 2]),
        (sample.ignored_instances, [1]),
    ):
        assert type(instances.bboxes) is HorizontalBoxes
        assert torch.equal(instances.bboxes.tensor, expected.tensor[rows])
        for key, value in expected.values.items():
            assert torch.equal(instances[key], value[rows])
    assert sample.gt_moved
    assert sample.gt_img_shape == SHAPE


def test_in_tests_the_truth_stays_in_pixels_of_the_image():
    resize = dict(type='Resize', scale=(80, 50), keep_ratio=True)
    sample = compose(resize, *LOAD, PACK)(raw_sample())['data_samples']
    assert sample.img_shape == (50, 80)
    assert not sample.gt_moved
    values = raw_sample()['instances'][0]['properties']
    np.testing.assert_array_equal(sample.gt_instances.keypoints[0], values['keypoints'])
    assert compose(*LOAD, resize, PACK)(raw_sample())['data_samples'].gt_moved


def test_images_without_objects_or_annotations():
    sample = compose(*LOAD, PACK)(raw_sample(boxes=[]))['data_samples']
    assert sample.gt_instances.keypoints.shape == (0, 3, 2)
    raw = raw_sample()
    del raw['instances']  # as DetInferencer hands images on
    sample = compose(*LOAD, PACK)(raw)['data_samples']
    assert len(sample.gt_instances.angles) == 0
    assert len(compose(PACK)(raw_sample())['data_samples'].gt_instances) == 0


def test_a_wrong_order_is_refused():
    resize = dict(type='Resize', scale=(80, 50), keep_ratio=True)
    with pytest.raises(ValueError, match='no longer those of its 3 annotations'):
        compose(LOAD[0], resize, LOAD[1])(raw_sample())
    with pytest.raises(ValueError, match='is missing: put LoadProperties directly'):
        compose(LOAD[1])(raw_sample())
    with pytest.raises(ValueError, match='a ndarray: put'):
        compose(dict(LOAD[0], box_type=None), LOAD[1])(raw_sample())
    with pytest.raises(ValueError, match='properties: put LoadProperties directly'):
        compose(LOAD[0], PACK)(raw_sample())


def test_missing_and_wrong_values_are_named():
    raw = raw_sample()
    del raw['instances'][2]['properties']['motions']
    with pytest.raises(ValueError, match=r"photo.jpg have no property 'motions'"):
        compose(*LOAD)(raw)
    raw = raw_sample()
    raw['instances'][2]['properties']['motions'] = [1.0, 2, 3]
    with pytest.raises(ValueError, match=r"'motions' .* has shape \(3,\)"):
        compose(*LOAD)(raw)
    raw = raw_sample()
    for instance in raw['instances']:
        del instance['properties']
    with pytest.raises(ValueError, match='CocoPropertyDataset'):
        compose(*LOAD)(raw)


def test_unlabeled_values_stay_nan():
    raw = raw_sample()
    raw['instances'][0]['properties'] = {
        key: np.full_like(value, np.nan)
        for key, value in values_of(BOXES[0], np.random.default_rng(0)).items()
    }
    steps = (dict(type='RandomFlip', prob=1.0), dict(type='RandomAffine'))
    instances = compose(*LOAD, *steps, PACK)(raw)['data_samples'].gt_instances
    row = instances.labels.tolist().index(0)
    for key in values_of(BOXES[0], np.random.default_rng(0)):
        assert instances[key][row].isnan().all()
        assert not instances[key][row + 1].isnan().any()
