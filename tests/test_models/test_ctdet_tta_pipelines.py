"""Test-time augmentation behind pipelines that users have."""

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmdet.models.dense_heads import CenterNetHead
from mmdet.registry import TRANSFORMS
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from helpers.stock import stock_config
from helpers.views import (
    assert_same,
    image_view,
    join,
    real_model,
    run,
)
from mmdet_centernet.models import CTDetTTAModel


def collate(pipeline, *images):
    """A batch of images through a pipeline that ends with TestTimeAug."""
    steps = [step for step in pipeline if step['type'] != 'LoadImageFromFile']
    compose = Compose([TRANSFORMS.build(step) for step in steps])
    packed = [
        compose(
            dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], **gt)
        )
        for image in images
        for gt in [dict(instances=[], img_id=0, img_path='photo.jpg')]
    ]
    return pseudo_collate(packed)


def random_image(*size):
    return np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)


def test_views_flipped_by_stock_pipelines_are_left_out():
    """An odd width, so that an image and its flip lie differently in their padding."""
    init_default_scope('mmdet')
    model = CTDetTTAModel(real_model())
    pipeline = stock_config('centernet/centernet_r18_8xb16-crop512-140e_coco.py')
    both = collate(pipeline.tta_pipeline, random_image(51, 75))
    assert len(both['inputs']) == 2
    assert both['data_samples'][0][0].flip
    one = {key: value[1:] for key, value in both.items()}
    assert_same(run(model, both)[0], run(model, one)[0], atol=0)


def test_flips_are_seen_in_the_homography_as_well():
    init_default_scope('mmdet')
    meta_keys = ('ori_shape', 'img_shape', 'homography_matrix')
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    pack = dict(type='PackDetInputs', meta_keys=meta_keys)
    tta = [dict(type='TestTimeAug', transforms=[flips, [pack]])]
    data = collate(tta, random_image(64, 64))
    straight = {key: value[:1] for key, value in data.items()}
    model = CTDetTTAModel(real_model())
    assert_same(run(model, data)[0], run(model, straight)[0], atol=0)


def flipped(*directions):
    views = [image_view([(64, 64)]) for _ in directions]
    for one, direction in zip(views, directions, strict=True):
        one['data_samples'][0].set_metainfo(dict(flip=True, flip_direction=direction))
    return join(*views)


@pytest.mark.parametrize(
    ('data', 'advice'),
    [
        (image_view([(64, 64)]), "end tta_pipeline with dict\\(type='TestTimeAug'"),
        (flipped('horizontal'), 'leave RandomFlip out'),
        (flipped('horizontal', 'vertical'), 'flips an image, vertical'),
        (flipped('diagonal'), 'flips an image, diagonal'),
    ],
)
def test_batches_without_a_view_to_work_on(data, advice):
    with pytest.raises(ValueError, match=advice):
        run(CTDetTTAModel(real_model()), data)


def test_maps_whose_flip_covers_other_pixels_are_refused():
    model = real_model()
    model.data_preprocessor.pad_size_divisor = 1
    data = join(image_view([(64, 90)]))
    with pytest.raises(ValueError, match='pad_size_divisor=32'):
        run(CTDetTTAModel(model), data)
    assert len(run(CTDetTTAModel(model, flip=False), data)[0]) == 100


def test_other_heads_are_refused():
    model = real_model()
    model.bbox_head = CenterNetHead(8, 8, 3)
    with pytest.raises(
        TypeError, match=r"CenterNetHead\. Set bbox_head\.type='CTDetHead'"
    ):
        CTDetTTAModel(model)
    del model.bbox_head
    with pytest.raises(TypeError, match='DetTTAModel'):
        CTDetTTAModel(model)


def test_misspelled_settings_are_refused():
    with pytest.raises(ValueError, match=r'max_per_image.*max_per_img'):
        CTDetTTAModel(real_model(), tta_cfg=dict(max_per_image=10))
