"""The head on bodies of other detectors, straight from mmdet's configs."""

import pytest
import torch
from mmdet.testing import demo_mm_inputs

import mmdet_centernet  # noqa: F401
from helpers.stock import build_model, stock_config

BODIES = {
    'resnet50-fpn': ('retinanet/retinanet_r50_fpn_1x_coco.py', 256, 8),
    'hrnet-hrfpn': ('hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py', 256, 8),
    'swin-t-fpn': ('swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py', 256, 8),
    'regnetx-fpn': ('regnet/retinanet_regnetx-800MF_fpn_1x_coco.py', 256, 8),
    'mobilenetv2-ssd': ('ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', 96, 16),
}


@pytest.mark.slow
@pytest.mark.parametrize('body', BODIES)
@pytest.mark.filterwarnings('ignore:train_cfg.assigner is', 'ignore:test_cfg')
def test_only_the_head_changes(body):
    name, channels, stride = BODIES[body]
    cfg = stock_config(name)
    cfg.model.bbox_head = dict(
        type='CTDetHead',
        num_classes=80,
        in_channels=channels,
        feat_channels=16,
        feat_level=0,
        stride=stride,
    )
    model = build_model(cfg)
    packed = demo_mm_inputs(2, [[3, 128, 128], [3, 96, 120]], num_classes=80)
    data = model.data_preprocessor(packed, True)
    losses = model.loss(data['inputs'], data['data_samples'])
    assert set(losses) == {'loss_center_heatmap', 'loss_wh', 'loss_offset'}
    total = sum(losses.values())
    total.backward()
    assert total.isfinite()
    for parameter in model.bbox_head.parameters():
        assert parameter.grad.isfinite().all()
    assert model.bbox_head.wh_head[-1].weight.grad.abs().sum() > 0
    model.eval()
    with torch.no_grad():
        results = model.predict(data['inputs'], data['data_samples'])
    assert len(results) == 2
    for result in results:
        assert result.pred_instances.bboxes.isfinite().all()
