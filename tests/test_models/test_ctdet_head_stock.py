"""What mmdet's own head gets wrong, and this one does not."""

import pytest
import torch
from mmdet.models.dense_heads import CenterNetHead
from mmengine.config import ConfigDict

from helpers.half import needs_sigmoid
from helpers.heads import META, instances, loss, make_head, random_maps
from mmdet_centernet.models import CTDetHead


def test_d1_several_stacks_stop_stock():
    stock, head = CenterNetHead(8, 8, 3), make_head(num_stacks=2)
    maps, gt = random_maps(head), [instances([[8, 8, 60, 60]])]
    with pytest.raises(AssertionError):
        stock.loss_by_feat(*maps, gt, [META])
    assert all(value.isfinite() for value in loss(head, maps, gt).values())


@needs_sigmoid
def test_d3_a_sure_peak_in_half_precision_breaks_stock():
    stock, head = CenterNetHead(8, 8, 3), make_head()
    gt = [instances([[8, 8, 60, 60]])]
    heat, wh, offset = ([one[0].half()] for one in random_maps(head))
    heat[0][0, 0, 8, 8] = 20.0
    stock_maps = [heat[0].sigmoid()], wh, offset
    assert stock.loss_by_feat(*stock_maps, gt, [META])['loss_center_heatmap'].isnan()
    assert loss(head, [heat, wh, offset], gt)['loss_center_heatmap'].isfinite()


def test_d5_stock_needs_a_border():
    stock = CenterNetHead(8, 8, 3, test_cfg=ConfigDict(topk=5, local_maximum_kernel=3))
    maps = random_maps(make_head())
    with pytest.raises(KeyError, match='border'):
        stock.predict_by_feat(*maps, [META])
    assert len(make_head().predict_by_feat(*maps, [META])[0]) == 100


def test_d9_overlap_is_an_argument():
    def mean_heat(**assigner):
        cfg = dict(assigner=dict(type='CenterNetTargetAssigner', **assigner))
        boxes, labels = [torch.tensor([[8.0, 8, 120, 120]])], [torch.tensor([0])]
        head = make_head(train_cfg=cfg)
        maps, _ = head.get_targets(boxes, labels, (1, 3, 32, 32), (128, 128))
        return maps['center_heatmap_target'].mean()

    wide = mean_heat(radius_rule='corrected', min_overlap=0.3)
    assert wide > mean_heat(radius_rule='corrected', min_overlap=0.9)


def test_a_center_on_the_border_stops_stock_only():
    gt = instances([[96, 96, 160, 120]])
    with pytest.raises(IndexError):
        CenterNetHead(8, 8, 3).get_targets(
            [gt.bboxes], [gt.labels], (1, 3, 32, 32), (128, 128)
        )
    for rule in ('official', 'mmdet'):
        cfg = dict(assigner=dict(type='CenterNetTargetAssigner', radius_rule=rule))
        head = make_head(train_cfg=cfg)
        shapes = (1, 3, 32, 32), (128, 128)
        maps, _ = head.get_targets([gt.bboxes], [gt.labels], *shapes)
        assert maps['center_heatmap_target'].isfinite().all()


def test_d12_stock_gives_wrong_labels():
    nms = dict(type='nms', iou_threshold=0.3)
    cfg = ConfigDict(topk=3, local_maximum_kernel=3, max_per_img=0, nms=nms)
    stock = CenterNetHead(8, 8, 3, test_cfg=cfg)
    boxes = torch.tensor(
        [[0.0, 0, 9, 9, 0.9], [1, 1, 9, 9, 0.8], [50, 50, 60, 60, 0.3]]
    )
    kept, labels = stock._bboxes_nms(boxes, torch.tensor([7, 7, 3]), cfg)
    assert len(kept) == 2
    assert len(labels) == 3


def test_init_cfg_works_here_and_not_on_stock():
    cfg = dict(type='Constant', layer='Conv2d', val=9.0, bias=9.0)
    head = CTDetHead(8, 8, 3, init_cfg=cfg)
    stock = CenterNetHead(8, 8, 3, init_cfg=cfg)
    head.init_weights()
    stock.init_weights()
    assert head.wh_head[0].weight.eq(9).all()
    assert not stock.wh_head[0].weight.eq(9).any()
