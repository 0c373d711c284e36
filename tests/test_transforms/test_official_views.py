"""Whole samples of the official implementation, image and targets."""

import random

import numpy as np
import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from helpers.official_pixels import assert_image, assert_tensor
from helpers.shared_data import golden_cases, load_golden
from mmdet_centernet.codecs import CenterNetTargetAssigner, paint_heatmap
from mmdet_centernet.functional.color import ColorDraws, change_colors
from mmdet_centernet.functional.window import flip_matrix
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.transforms.center_affine import View

ROW = 'x1y1x2y2_score_label'

OFFICIAL_STATISTICS = dict(
    mean=[104.0136177, 114.0342201, 119.91659325],
    std=[73.6027614, 69.8908182, 70.91507925],
)


def golden_image(index):
    return load_golden('geometry_images')[f'img{index}'].copy()


def build_test_view(mode, scale):
    """Test view by the mode in its case's name: keep31, fix512, fix384x640 (h x w)."""
    if mode.startswith('keep'):
        view = dict(pad=int(mode.removeprefix('keep')))
    else:
        height, _, width = mode.removeprefix('fix').partition('x')
        view = dict(size=(int(width or height), int(height)))
    return TRANSFORMS.build(dict(type='CenterAffine', scale=scale, **view))


def normalize(image):
    """(3, H, W) as the model sees it."""
    preprocessor = DetDataPreprocessor(**OFFICIAL_STATISTICS, bgr_to_rgb=False)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    return preprocessor(dict(inputs=[tensor]))['inputs'][0].numpy()


@pytest.mark.parametrize('case', golden_cases('geometry', 'u8_grid'))
def test_test_view_equals_golden(case):
    golden = load_golden('geometry')
    name, mode, scale = case.split('_')
    results = dict(img=golden_image(name.removeprefix('img')))
    view = build_test_view(mode, float(scale.removeprefix('s')))
    shown = view(results)['img']
    assert shown.dtype == np.uint8
    assert_image(shown, golden, case)
    assert_tensor(normalize(shown), golden, case)
    if f'{case}__u8_full' in golden:
        assert np.array_equal(shown, golden[f'{case}__u8_full'])


@pytest.mark.parametrize('case', golden_cases('decode', f'dets_image_{ROW}'))
def test_predictions_return_to_the_image_as_official(case):
    golden = load_golden('decode')
    height, width = golden[f'{case}__img_hw'].tolist()
    out_height, out_width = golden[f'{case}__meta_out_hw'].tolist()
    if 'fix_res' in case:
        mode = f'fix{4 * out_height}x{4 * out_width}'
    else:
        mode = 'keep127' if '_hg_' in case else 'keep31'
    view = build_test_view(mode, float(golden[f'{case}__scale']))
    meta = view(dict(img=np.zeros((height, width, 3), np.uint8)))
    assert meta['img_shape'] == (4 * out_height, 4 * out_width)
    meta['batch_input_shape'] = meta['img_shape']
    shape = golden[f'{case}__shape'].tolist()
    generator = np.random.Generator(np.random.PCG64(int(golden[f'{case}__seed'])))
    maps = [
        [torch.tensor(draw, dtype=torch.float32)]
        for draw in (
            generator.normal(-2, 1.5, shape),
            generator.uniform(1, 20, (1, 2, *shape[2:])),
            generator.uniform(0, 1, (1, 2, *shape[2:])),
        )
    ]
    (found,) = CTDetHead(4, 4, shape[1]).predict_by_feat(*maps, [meta])
    expected = golden[f'{case}__dets_image_{ROW}']
    order = found.labels.argsort(stable=True)
    assert np.array_equal(found.labels[order].numpy(), expected[:, 5])
    np.testing.assert_allclose(found.scores[order], expected[:, 4], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.bboxes[order], expected[:, :4], rtol=0, atol=1e-3)


def train_sample(golden, case):
    """Image and annotations before, with the view that was drawn officially."""
    image = golden_image(int(golden[f'{case}__image_index']))
    boxes = golden[f'{case}__ann_bbox_xywh'].astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    labels = golden[f'{case}__ann_label']
    results = dict(
        img=image,
        gt_bboxes=HorizontalBoxes(boxes.reshape(-1, 4)),
        gt_bboxes_labels=labels,
        gt_ignore_flags=np.zeros(len(labels), dtype=bool),
    )
    (center_x, center_y), flip = golden[f'{case}__c'], bool(golden[f'{case}__flipped'])
    if flip:
        center_x = image.shape[1] - 1 - center_x
    return results, View((center_x, center_y), golden[f'{case}__s'][0], flip)


def official_colors(golden, case):
    """The draws of the color augmentation, from its three generators."""
    random.seed(int(golden[f'{case}__np_and_py_seed']))
    names = ['brightness', 'contrast', 'saturation']
    random.shuffle(names)
    generator = np.random.RandomState(int(golden[f'{case}__data_rng_seed']))
    shares = [1 + generator.uniform(-0.4, 0.4) for _ in names]
    lights = generator.normal(scale=0.1, size=3)
    return ColorDraws(list(zip(names, shares, strict=True)), lights)


TRAIN_VIEW = dict(type='RandomCenterAffine', size=(512, 512))


@pytest.mark.parametrize('case', golden_cases('train_sample', 'trans_input'))
def test_train_view_equals_golden(case):
    golden = load_golden('train_sample')
    results, view = train_sample(golden, case)
    width = results['img'].shape[1]
    results = TRANSFORMS.build(TRAIN_VIEW).show(results, view)
    matrix = golden[f'{case}__trans_input'] @ (
        flip_matrix(width) if view.flip else np.eye(3)
    )
    gap = np.abs(results['homography_matrix'][:2] - matrix).max()
    assert gap <= 1e-5 * np.abs(matrix).max()
    image = results['img']
    if f'{case}__input__u8_grid' in golden:
        assert_image(image, golden, f'{case}__input')
    if 'no_color_aug' not in str(golden[f'{case}__options']):
        image = change_colors(image, official_colors(golden, case))
    assert_tensor(normalize(image), golden, f'{case}__input')
    before_clip = golden[f'{case}__boxes_before_clip'] * 4
    clipped = before_clip.clip(0, 512)
    shown = (clipped[:, 2:] > clipped[:, :2]).all(1)
    np.testing.assert_allclose(
        results['gt_bboxes'].tensor, clipped[shown], rtol=0, atol=1e-3
    )
    assert_targets(results, golden, case)


def assert_targets(results, golden, case):
    """Compare with the official targets, but for their empty slots."""
    targets = CenterNetTargetAssigner(max_objects=128).assign(
        [results['gt_bboxes'].tensor],
        [torch.from_numpy(results['gt_bboxes_labels'])],
        (1, *golden[f'{case}__hm_shape'].tolist()),
        stride=4,
    )
    slots = golden[f'{case}__reg_mask'].astype(bool)
    valid = targets.valid.numpy()
    cells = (targets.centers[:, 1] * 128 + targets.centers[:, 0]).numpy()
    assert np.array_equal(cells[valid], golden[f'{case}__ind'][slots])
    for values, field in ((targets.sizes, 'wh'), (targets.offsets, 'reg')):
        np.testing.assert_allclose(
            values.numpy()[valid], golden[f'{case}__{field}'][slots], rtol=0, atol=2e-4
        )
    heatmap = np.zeros(golden[f'{case}__hm_shape'], dtype=np.float32)
    heatmap.flat[golden[f'{case}__hm_idx']] = golden[f'{case}__hm_val']
    painted = paint_heatmap(targets)[0].numpy()
    np.testing.assert_allclose(painted, heatmap, rtol=0, atol=1e-6)


RANDOM_WINDOWS = [f'case{i}_nocolor' for i in range(6)]
"""The other cases shift and scale by Gaussian noise, which no official recipe does."""


@pytest.mark.parametrize('case', RANDOM_WINDOWS)
def test_the_same_seed_draws_the_official_view(case):
    golden = load_golden('train_sample')
    results, expected = train_sample(golden, case)
    transform = TRANSFORMS.build(TRAIN_VIEW)
    np.random.seed(int(golden[f'{case}__np_and_py_seed']))
    drawn = transform._draw(*results['img'].shape[:2])
    assert drawn.center == tuple(expected.center)
    assert drawn.side == pytest.approx(expected.side)
    assert drawn.flip == expected.flip
