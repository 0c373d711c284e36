"""Convolutions that branches share, and those that smooth what the neck merges."""

import pytest
import torch
from torch.nn import functional as F

from helpers.heads import instances, loss, make_head
from mmdet_centernet.models import CTDetHead, FinestFPN

NORM = dict(type='BN')
LEVELS = [8, 16, 24]


def pyramid(batch=2):
    torch.manual_seed(0)
    return [torch.randn(batch, c, 16 >> i, 12 >> i) for i, c in enumerate(LEVELS)]


def test_no_weights_by_default():
    assert not any('shared' in key for key in make_head().state_dict())
    assert not any('smooth' in key for key in FinestFPN(LEVELS, 4).state_dict())


@pytest.mark.parametrize('num_stacks', [1, 2])
def test_branches_see_what_the_shared_convolutions_say(num_stacks):
    head = make_head(stacked_convs=2, norm_cfg=NORM, num_stacks=num_stacks).eval()
    plain = make_head(num_stacks=num_stacks)
    plain.load_state_dict(
        {k: v for k, v in head.state_dict().items() if not k.startswith('shared')}
    )
    feats = [torch.randn(2, 8, 32, 32) for _ in range(num_stacks)]
    by_hand = [
        _conv_norm_relu(_conv_norm_relu(feat, first), second)
        for feat, (first, second) in zip(feats, head.shared_convs, strict=True)
    ]
    for ours, theirs in zip(head(feats), plain(by_hand), strict=True):
        assert len(ours) == num_stacks
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)


def _conv_norm_relu(x, module):
    x = F.conv2d(x, module.conv.weight, module.conv.bias, padding=1)
    if module.with_norm:
        norm = module.norm
        x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return x.relu()


def test_the_first_shared_convolution_changes_the_channels():
    head = CTDetHead(12, 8, 3, stacked_convs=2)
    (heatmap,), (wh,), (offset,) = head([torch.randn(1, 12, 16, 16)])
    assert heatmap.shape == (1, 3, 16, 16)
    assert wh.shape == offset.shape == (1, 2, 16, 16)


@pytest.mark.parametrize('norm_cfg', [None, NORM])
def test_shared_convolutions_learn(norm_cfg):
    head = make_head(stacked_convs=2, norm_cfg=norm_cfg, branch_init='dla')
    maps = head([torch.randn(2, 8, 32, 32)])
    sum(loss(head, maps, [instances([[8, 8, 60, 60]])] * 2).values()).backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_smoothing_by_hand():
    neck = FinestFPN(
        LEVELS,
        4,
        smooth_convs=1,
        norm_cfg=NORM,
        upsample_cfg=dict(mode='bilinear', align_corners=False),
    ).eval()
    fine, middle, coarse = (
        lateral(feat)
        for lateral, feat in zip(neck.lateral_convs, pyramid(), strict=True)
    )
    ((smooth,),) = neck.smooth
    middle = _conv_norm_relu(middle + _twice(coarse), smooth)
    expected = neck.fpn_convs[0](fine + _twice(middle))
    torch.testing.assert_close(neck(pyramid())[0], expected)


def _twice(x):
    return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


@pytest.mark.parametrize('levels', [1, 2, 3])
def test_smoothing_learns_at_every_number_of_levels(levels):
    neck = FinestFPN(LEVELS[:levels], 4, smooth_convs=2, norm_cfg=NORM)
    (found,) = neck(pyramid()[:levels])
    assert found.shape == (2, 4, 16, 12)
    found.square().sum().backward()
    assert all(p.grad is not None for p in neck.parameters())


@pytest.mark.parametrize('number', [-1, 1.5, '2'])
def test_bad_numbers(number):
    with pytest.raises(ValueError, match='stacked_convs is'):
        make_head(stacked_convs=number)
    with pytest.raises(ValueError, match='smooth_convs is'):
        FinestFPN(LEVELS, 4, smooth_convs=number)
