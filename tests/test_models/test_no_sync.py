"""Nothing is read back from the device, but how many cells Gaussians cover.

Tensors of the meta device have no values: reading one fails there, as it
would stall a GPU.
"""

import pytest
import torch
from mmdet.models.dense_heads import CenterNetHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_centernet.models import CTDetHead

METAS = [dict(img_shape=(128, 128), batch_input_shape=(128, 128), border=(0,) * 4)] * 2


def instances(count):
    return InstanceData(
        bboxes=torch.empty(count, 4, device='meta'),
        labels=torch.empty(count, dtype=torch.long, device='meta'),
    )


def feats(dtype):
    return [torch.empty(2, 8, 32, 32, device='meta', dtype=dtype)]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('rule', ['official', 'mmdet'])
@pytest.mark.parametrize('options', [{}, dict(loss_bbox=dict(type='GIoULoss'))])
def test_assigning_and_losses(dtype, rule, options, monkeypatch):
    train_cfg = dict(assigner=dict(type='CenterNetTargetAssigner', radius_rule=rule))
    head = CTDetHead(8, 8, 3, train_cfg=train_cfg, **options).to('meta', dtype)
    # On a GPU it waits for an event; the meta device has none.
    monkeypatch.setattr(head.annotation_watch, 'check', lambda *_: None)
    reads = []
    monkeypatch.setattr(
        'mmdet_centernet.codecs.targets.read_back',
        lambda counts: reads.append(counts) or [700] * len(counts),
    )
    losses = head.loss_by_feat(
        *head(feats(dtype)),
        [instances(5), instances(0)],
        METAS,
        [instances(1), instances(0)],
    )
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None for p in head.parameters())
    assert len(reads) == 1


def test_ignoring_rotated_images(monkeypatch):
    joints = dict(type='KeypointsProperty', num_points=4)
    points = dict(joint=dict(type='JointPoints'))
    head = CTDetHead(8, 8, 3, properties=dict(keypoints=joints), point_sets=points)
    head.to('meta')
    monkeypatch.setattr(head.annotation_watch, 'check', lambda *_: None)
    monkeypatch.setattr(
        'mmdet_centernet.codecs.targets.read_back', lambda counts: [700] * len(counts)
    )
    gt = [instances(5), instances(2)]
    for one in gt:
        one.keypoints = torch.empty(len(one), 4, 2, device='meta')
    metas = [dict(METAS[0], rotated=rotated) for rotated in (True, False)]
    outs = head(feats(torch.float32))
    losses = head.loss_by_feat(*outs[:3], gt, metas, other_preds=outs[3:])
    torch.stack(list(losses.values())).sum().backward()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_decoding(dtype):
    head = CTDetHead(8, 8, 3).to('meta', dtype)
    found = head.predict_by_feat(*head(feats(dtype)), METAS)
    assert [one.bboxes.shape for one in found] == [(100, 4), (100, 4)]


def test_d4_stock_asks_for_values():
    cfg = ConfigDict(topk=100, local_maximum_kernel=3)
    stock = CenterNetHead(8, 8, 3, test_cfg=cfg).to('meta')
    maps = stock(feats(torch.float32))
    with pytest.raises((RuntimeError, NotImplementedError), match=r'(?i)meta'):
        stock.loss_by_feat(*maps, [instances(5), instances(0)], METAS)
