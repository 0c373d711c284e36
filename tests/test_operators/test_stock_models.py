"""Stock mmdet detectors on the operators of this package."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.hub import get_config

from helpers.compiled_mmcv import needs_compiled, our_operators

pytestmark = pytest.mark.slow

CONFIGS = [
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'faster_rcnn/faster-rcnn_r50_fpn_soft-nms_1x_coco.py',
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
    'retinanet/retinanet_r18_fpn_1x_coco.py',
    'dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py',
    'dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py',
    'atss/atss_r50_fpn_1x_coco.py',
    'centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
]


def build(name):
    config = get_config(f'mmdet::{name}')
    without = Config(dict(model=config.model))
    without.merge_from_dict({'model.backbone.init_cfg': None})
    test_cfg = without.model.test_cfg
    test_cfg.get('rcnn', test_cfg).score_thr = 0  # an untrained network is never sure
    torch.manual_seed(0)
    return MODELS.build(without.model)


def run_once(model, with_mask):
    """Losses, gradients and predictions of one batch."""
    inputs = demo_mm_inputs(2, [[3, 96, 128]] * 2, with_mask=with_mask)
    data = model.data_preprocessor(inputs, True)
    torch.manual_seed(1)  # samplers draw
    losses, _ = model.parse_losses(model.train()(**data, mode='loss'))
    losses.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        samples = model.eval()(**data, mode='predict')
    return losses.detach(), grads, [sample.pred_instances for sample in samples]


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_and_predicts(name):
    with our_operators():
        losses, grads, predictions = run_once(build(name), 'mask' in name)
    assert losses.isfinite()
    assert grads
    assert all(grad.isfinite().all() for grad in grads)
    assert len(predictions) == 2


@needs_compiled
@pytest.mark.parametrize('name', CONFIGS)
def test_equals_compiled_mmcv(name):
    losses, grads, predictions = run_once(build(name), 'mask' in name)
    with our_operators():
        found = run_once(build(name), 'mask' in name)
    torch.testing.assert_close(found[0], losses)
    for ours, theirs in zip(found[1], grads, strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=1e-3, atol=1e-3 * theirs.abs().max()
        )
    for ours, theirs in zip(found[2], predictions, strict=True):
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=1e-3, atol=1e-4)
        # An untrained network's scores are so alike that rounding changes their order,
        # and so which boxes are the last.
        assert len(theirs.scores) > 20
        nearest = torch.cdist(ours.bboxes, theirs.bboxes).min(dim=1).values
        assert (nearest < 0.1).float().mean() >= 0.95
