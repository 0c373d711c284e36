"""Test-time augmentation of the shipped configs, from files to boxes."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import mmdet_centernet  # noqa: F401
from helpers.scripts import run_python
from helpers.tiny import CONFIGS, IMAGE_SIZE, REPO, config_paths, tiny_config
from mmdet_centernet.functional.affine import image_matrix

PATHS = [*config_paths(), CONFIGS / '_base_/ctdet_tta.py']
TTA = {p.stem: cfg for p in PATHS if 'tta_pipeline' in (cfg := Config.fromfile(p))}
ORIGINAL = (87, 131)  # height and width, both odd
SPOT = (100.0, 30.0)  # x and y
MEAN_AND_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def views_of_a_spot(pipeline):
    """Views of an image that is black but for a soft spot."""
    ys, xs = np.mgrid[: ORIGINAL[0], : ORIGINAL[1]]
    spot = np.exp(-((xs - SPOT[0]) ** 2 + (ys - SPOT[1]) ** 2) / 50) * 255
    image = np.repeat(spot[..., None], 3, 2).astype(np.float32)
    init_default_scope('mmdet')
    compose = Compose([TRANSFORMS.build(step) for step in pipeline[1:]])
    sample = dict(img=image, img_shape=ORIGINAL, ori_shape=ORIGINAL, instances=[])
    packed = compose(dict(sample, img_id=0, img_path='spot.png'))
    return list(zip(packed['inputs'], packed['data_samples'], strict=True))


def middle_of_light(image):
    """x, y of the center of mass."""
    light = image[0].double()
    ys, xs = (torch.arange(n, dtype=torch.float64) for n in light.shape)
    total = light.sum()
    return float((light.sum(0) * xs).sum() / total), float(
        (light.sum(1) * ys).sum() / total
    )


@pytest.mark.parametrize('name', TTA)
def test_all_views_lead_back_to_the_image(name):
    cfg = TTA[name]
    assert cfg.tta_model.type == 'CTDetTTAModel'
    views = views_of_a_spot(cfg.tta_pipeline)
    for image, sample in views:
        assert sample.ori_shape == ORIGINAL
        x, y = middle_of_light(image)
        got = image_matrix(sample.metainfo) @ (x, y, 1)
        # Resizing aligns corners of pixels, not their middles; and the official views
        # are undone by their nominal scale, not by the ratio of the rounded sizes.
        assert np.abs(got[:2] - SPOT).max() < 1.5


def random_checkpoint(cfg, folder):
    """Weights of a network that finds something everywhere."""
    torch.manual_seed(0)
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    model.bbox_head.heatmap_head[-1].weight.data *= 20
    model.bbox_head.wh_head[-1].bias.data.fill_(4)
    torch.save(model.state_dict(), folder / 'random.pth')
    return model.eval()


def tta_config(name, folder):
    """The tiny config with the views of a shipped one, as a file."""
    cfg = Config.fromfile(tiny_config(folder))
    cfg.tta_model = dict(type='CTDetTTAModel')
    cfg.pop('tta_pipeline', None)
    if name in TTA:
        cfg.tta_pipeline = TTA[name].tta_pipeline
        for step in cfg.tta_pipeline:
            if 'scale' in step:
                step.scale = (IMAGE_SIZE, IMAGE_SIZE)
    cfg.dump(folder / 'tta.py')
    return cfg


def by_hand(model, images):
    """One view, averaged with the flipped image, decoded by the head."""
    batch = torch.stack([torch.tensor(image).permute(2, 0, 1) for image in images])
    mean, std = (torch.tensor(v)[:, None, None] for v in MEAN_AND_STD)
    batch = (batch.flip(1) - mean) / std
    with torch.no_grad():
        plain, flipped = model(batch), model(batch.flip(-1))
        heat = (plain[0][0].sigmoid() + flipped[0][0].sigmoid().flip(-1)) / 2
        sizes = (plain[1][0] + flipped[1][0].flip(-1)) / 2
        maps = [heat.double().logit()], [sizes], plain[2]
        return model.bbox_head.predict_by_feat(*maps)


@pytest.mark.slow
def test_tool_with_mmdets_default_pipeline_averages_flipped_images(tmp_path):
    """mmdet adds flipped views where a config has no `tta_pipeline`."""
    cfg = tta_config('none', tmp_path)
    model = random_checkpoint(cfg, tmp_path)
    results = run_tool(tmp_path)
    images = [cv2.imread(results[i]['img_path']) for i in range(4)]
    for result, expected in zip(results, by_hand(model, images), strict=True):
        found = result['pred_instances']
        torch.testing.assert_close(found['scores'], expected.scores, rtol=0, atol=1e-5)
        torch.testing.assert_close(found['bboxes'], expected.bboxes, rtol=0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['ctdet_r18_8xb16-crop512-140e_coco', 'ctdet_tta'])
def test_tool_merges_the_scales_of(name, tmp_path):
    random_checkpoint(tta_config(name, tmp_path), tmp_path)
    for result in run_tool(tmp_path):
        found = result['pred_instances']
        assert 0 < len(found['scores']) <= 100
        assert found['bboxes'].isfinite().all()
        assert found['scores'].diff().le(0).all()
        assert found['scores'].ge(0.001).all()


def run_tool(folder):
    """What `tools/test.py --tta` finds."""
    printed = run_python(
        REPO / 'tools/test.py',
        *('tta.py', 'random.pth', '--tta', '--out', 'results.pkl'),
        cwd=folder,
    )
    assert 'coco/bbox_mAP: ' in printed
    return pickle.loads((folder / 'results.pkl').read_bytes())  # noqa: S301
