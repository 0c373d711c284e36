"""How the head is configured: initial weights, and errors that say what to do."""

import pytest
import torch
from mmdet.models.dense_heads import CenterNetHead

from helpers.heads import META, instances, loss, make_head, random_maps


def test_default_init_is_that_of_stock():
    head, stock = make_head(), CenterNetHead(8, 8, 3)
    stock.init_weights()
    assert torch.equal(head.heatmap_head[-1].bias, stock.heatmap_head[-1].bias)
    for branch in (head.wh_head, head.offset_head):
        for conv in (branch[0], branch[2]):
            assert conv.weight.std() < 0.002
            assert conv.bias.eq(0).all()


@pytest.mark.parametrize(
    ('rule', 'small', 'unbiased'),
    [
        ('resnet_dcn', (True, True), (True, True)),
        ('resnet', (False, True), (False, True)),
        ('dla', (False, False), (True, True)),
        ('hourglass', (False, False), (False, False)),
    ],
)
def test_official_inits(rule, small, unbiased):
    head = make_head(branch_init=rule)
    assert head.heatmap_head[-1].bias.eq(-2.19).all()
    assert head.heatmap_head[0].bias.ne(0).any()
    for branch in (head.wh_head, head.offset_head):
        convs = branch[0], branch[2]
        assert tuple(bool(conv.weight.std() < 0.002) for conv in convs) == small
        assert tuple(bool(conv.bias.eq(0).all()) for conv in convs) == unbiased


@pytest.mark.parametrize(
    ('kwargs', 'advice'),
    [
        (dict(num_classes=0), 'num_classes is 0'),
        (dict(stride=-4), 'stride is -4'),
        (dict(branch_init='paper'), "'dla', 'hourglass', 'mmdet'"),
        (dict(num_stacks=2, feat_level=0), 'num_stacks=1'),
        (dict(test_cfg=dict(topk=0)), 'topk is 0'),
        (dict(test_cfg=dict(local_maximum_kernel=4)), 'has to be odd'),
    ],
)
def test_bad_arguments(kwargs, advice):
    with pytest.raises(ValueError, match=advice):
        make_head(**kwargs)


def test_a_pyramid_asks_for_a_level():
    levels = [torch.randn(1, 8, 32 >> i, 32 >> i) for i in range(3)]
    with pytest.raises(ValueError, match='feat_level=0'):
        make_head()(levels)
    outs = make_head(feat_level=1)(levels)
    assert outs[0][0].shape[-2:] == (16, 16)
    with pytest.raises(ValueError, match='outputs 3 feature maps'):
        make_head(feat_level=3)(levels)


def test_wrong_channels_and_strides():
    with pytest.raises(ValueError, match='in_channels=16'):
        make_head()([torch.randn(1, 16, 32, 32)])
    head = make_head()
    for size in (16, 64):
        with pytest.raises(ValueError, match='stride'):
            loss(head, random_maps(head, size=size), [instances([])])
        with pytest.raises(ValueError, match='stride'):
            head.predict_by_feat(*random_maps(head, size=size), [META])


def test_an_anchor_assigner_is_replaced_with_a_warning():
    assigner = dict(
        type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0
    )
    with pytest.warns(UserWarning, match='MaxIoUAssigner'):
        head = make_head(train_cfg=dict(assigner=assigner))
    assert type(head.assigner).__name__ == 'CenterNetTargetAssigner'


def test_misspelled_test_settings_are_reported():
    with pytest.warns(UserWarning, match='topK'):
        make_head(test_cfg=dict(topK=10))
