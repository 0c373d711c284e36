"""Boxes out of maps."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmengine.config import ConfigDict

from helpers.crop_pad import center_crop_pad
from helpers.heads import META, make_head, perfect_maps, random_maps


class LetterResize:
    """A transform like those of other libraries: scale, then pad on all sides."""

    def __call__(self, results):
        results['img'] = np.full((192, 192, 3), 114, np.float32)
        results['img_shape'] = (192, 192)
        results['scale_factor'] = (1.5, 1.5)
        results['pad_param'] = np.array([21, 21, 6, 6], np.float32)
        return results


PIPELINES = {
    'resize-pad': (
        [
            dict(type='Resize', scale=(192, 160), keep_ratio=True),
            dict(type='Pad', size_divisor=32),
        ],
        (),
    ),
    'resize-stretched-homography': (
        [dict(type='Resize', scale=(256, 96), keep_ratio=False)],
        ('homography_matrix',),
    ),
    'flip-homography': (
        [
            dict(type='Resize', scale=(192, 160), keep_ratio=True),
            dict(type='RandomFlip', prob=1.0),
            dict(type='Pad', size_divisor=32),
        ],
        ('homography_matrix',),
    ),
    'center-crop-pad': (
        [center_crop_pad(31)],
        ('border',),
    ),
    'letter-resize': ([LetterResize()], ('pad_param',)),
    'nothing': ([], ()),
}


def into_input(boxes, meta):
    """Boxes of the image in pixels of the network input, step by step."""
    if 'homography_matrix' in meta:
        corners = boxes.reshape(-1, 2, 2)
        ones = np.ones((*corners.shape[:2], 1))
        moved = np.concatenate([corners, ones], -1) @ meta['homography_matrix'].T
        low, high = moved[..., :2].min(1), moved[..., :2].max(1)
        return np.concatenate([low, high], 1)
    boxes = boxes * np.tile(meta.get('scale_factor', (1, 1)), 2)
    border = meta.get('border', meta.get('pad_param', (0, 0, 0, 0)))
    return boxes + np.array([border[2], border[0]] * 2)


@pytest.mark.parametrize('name', PIPELINES)
def test_boxes_come_back_through_any_pipeline(name):
    steps, keys = PIPELINES[name]
    image = np.zeros((100, 120, 3), np.float32)
    meta_keys = ('img_shape', 'ori_shape', *keys)
    if name not in ('center-crop-pad', 'nothing'):
        meta_keys += ('scale_factor',)
    pack = dict(type='PackDetInputs', meta_keys=meta_keys)
    pipeline = Compose(
        [TRANSFORMS.build(s) if isinstance(s, dict) else s for s in [*steps, pack]]
    )
    packed = pipeline({'img': image, 'img_shape': (100, 120), 'ori_shape': (100, 120)})
    input_shape = tuple(packed['inputs'].shape[1:])
    padded = tuple(-(-side // 32) * 32 for side in input_shape)
    meta = {**packed['data_samples'].metainfo, 'batch_input_shape': padded}
    boxes = np.array([[10.0, 12, 50, 40], [70, 50, 110, 90]])
    head = make_head()
    inputs = torch.tensor(into_input(boxes, meta), dtype=torch.float32)
    maps = perfect_maps(
        head,
        [inputs],
        [torch.tensor([0, 1])],
        (padded[0] // 4, padded[1] // 4),
        padded,
    )
    found = head.predict_by_feat(*maps, [meta], rescale=True)[0]
    np.testing.assert_allclose(sorted(found.bboxes[:2].tolist()), boxes, atol=1e-3)
    kept = head.predict_by_feat(*maps, [meta], rescale=False)[0]
    border = meta.get('border', meta.get('pad_param', (0, 0, 0, 0)))
    shift = np.array([border[2], border[0]] * 2)
    np.testing.assert_allclose(
        sorted(kept.bboxes[:2].tolist()), sorted((inputs - shift).tolist()), atol=1e-3
    )


RESIZE = dict(type='Resize', scale=(192, 160), keep_ratio=True)
(CENTER_CROP_PAD,), _ = PIPELINES['center-crop-pad']
DEFAULT_KEYS = PackDetInputs().meta_keys
NO_WAY_BACK = {
    'official-view': ([dict(type='CenterAffine', pad=31)], DEFAULT_KEYS),
    'official-view-of-a-scaled-image': (
        [RESIZE, dict(type='CenterAffine', size=(128, 128))],
        DEFAULT_KEYS,
    ),
    'center-crop-pad': ([CENTER_CROP_PAD], DEFAULT_KEYS),
    'resize': ([RESIZE], ('img_path', 'img_shape', 'ori_shape')),
}


@pytest.mark.parametrize('name', NO_WAY_BACK)
def test_a_pipeline_that_does_not_hand_on_the_way_back_is_refused(name):
    steps, keys = NO_WAY_BACK[name]
    pack = dict(type='PackDetInputs', meta_keys=keys)
    pipeline = Compose([TRANSFORMS.build(step) for step in [*steps, pack]])
    shape = (100, 120)
    image = np.zeros((*shape, 3), np.float32)
    meta = pipeline(
        dict(img=image, img_shape=shape, ori_shape=shape, img_path='photo.jpg')
    )['data_samples'].metainfo
    head = make_head()
    maps = random_maps(head)
    head.predict_by_feat(*maps, [meta], rescale=False)
    with pytest.raises(ValueError, match=r'photo\.jpg .*homography_matrix for Cent'):
        head.predict_by_feat(*maps, [META, meta])


def test_a_batch_of_images_of_different_sizes():
    head = make_head()
    metas = [
        dict(META, scale_factor=(2.0, 2.0)),
        dict(META, scale_factor=(0.5, 1.0), img_shape=(96, 100)),
    ]
    boxes = [torch.tensor([[20.0, 20, 80, 60]]), torch.tensor([[8.0, 4, 90, 70]])]
    maps = perfect_maps(head, boxes, [torch.tensor([0])] * 2, (32, 32), (128, 128))
    found = head.predict_by_feat(*maps, metas)
    for one, box, meta in zip(found, boxes, metas, strict=True):
        expected = box / torch.tensor(meta['scale_factor']).repeat(2)
        torch.testing.assert_close(one.bboxes[:1], expected, rtol=0, atol=1e-3)


def test_clipping_is_a_choice():
    maps = [torch.full((1, 3, 32, 32), -9.0)], [torch.full((1, 2, 32, 32), 60.0)]
    maps = (*maps, [torch.zeros(1, 2, 32, 32)])
    meta = dict(META, img_shape=(100, 120), ori_shape=(100, 120))
    free = make_head().predict_by_feat(*maps, [meta])[0].bboxes
    head = make_head(test_cfg=dict(clip_border=True))
    clipped = head.predict_by_feat(*maps, [meta])[0].bboxes
    assert free.min() < 0
    assert free[:, 2].max() > 120
    assert clipped.min() == 0
    assert clipped[:, 2].max() == 120
    assert clipped[:, 3].max() == 100


def test_without_metas_boxes_are_in_input_pixels():
    head = make_head()
    maps = random_maps(head)
    expected = head.predict_by_feat(*maps, [META], rescale=False)[0].bboxes
    assert torch.equal(head.predict_by_feat(*maps)[0].bboxes, expected)


def overlapping(head):
    """Two overlapping boxes of class 2 and one of class 0, by score."""
    boxes = torch.tensor([[20.0, 20, 80, 80], [28, 28, 88, 88], [20, 20, 76, 84]])
    shape = (1, head.num_classes, 32, 32)
    labels = torch.tensor([2, 2, 0])
    targets, _ = head.get_targets([boxes], [labels], shape, (128, 128))
    heat = torch.full(shape, -20.0)
    for (x1, y1, x2, y2), label, logit in zip(
        boxes.tolist(), labels.tolist(), (3.0, 1.0, 2.0), strict=True
    ):
        heat[0, label, int((y1 + y2) // 8), int((x1 + x2) // 8)] = logit
    return [heat], [targets['wh_target']], [targets['offset_target']]


@pytest.mark.parametrize('max_per_img', [-1, 0, 1, 100])
def test_nms_keeps_labels_beside_their_boxes(max_per_img):
    nms = dict(type='nms', iou_threshold=0.3)
    test_cfg = ConfigDict(topk=3, local_maximum_kernel=3, max_per_img=max_per_img)
    head = make_head(test_cfg=ConfigDict(**test_cfg, nms=nms))
    found = head.predict_by_feat(*overlapping(head), [META])[0]
    count = max_per_img if max_per_img > 0 else 2
    assert found.labels.tolist() == [2, 0][:count]
    expected = torch.tensor([3.0, 2.0]).sigmoid()[:count]
    torch.testing.assert_close(found.scores, expected)
    without = head.predict_by_feat(*overlapping(head), [META], with_nms=False)[0]
    assert without.labels.tolist() == [2, 0, 2]


def test_score_threshold():
    head = make_head(test_cfg=dict(score_thr=0.8))
    found = head.predict_by_feat(*overlapping(head), [META])[0]
    assert found.labels.tolist() == [2, 0]
