"""The finest level, compared with mmdet's FPN."""

import pytest
import torch
from mmdet.models.necks import FPN

from mmdet_centernet.models import FinestFPN

LEVELS = [8, 16, 24]


def pyramid(height=16, width=12):
    torch.manual_seed(0)
    return [
        torch.randn(2, c, height >> level, width >> level)
        for level, c in enumerate(LEVELS)
    ]


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
def test_is_the_first_level_of_mmdets(norm_cfg):
    stock = FPN(LEVELS, 4, num_outs=3, norm_cfg=norm_cfg)
    ours = FinestFPN(LEVELS, 4, norm_cfg=norm_cfg)
    unknown = ours.load_state_dict(stock.state_dict(), strict=False)
    assert not unknown.missing_keys
    assert all(key.startswith('fpn_convs.') for key in unknown.unexpected_keys)
    (found,) = ours(pyramid())
    assert torch.equal(found, stock(pyramid())[0])


def test_sizes_need_not_double():
    feats = [torch.randn(1, 8, 15, 9), torch.randn(1, 16, 8, 5)]
    (found,) = FinestFPN([8, 16], 4)(feats)
    assert found.shape == (1, 4, 15, 9)


def test_every_weight_learns():
    neck = FinestFPN(LEVELS, 4)
    neck(pyramid())[0].square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in neck.parameters())


def test_number_of_maps_has_to_fit():
    with pytest.raises(
        ValueError, match=r'outputs 2 maps, the neck expects 3.*out_ind'
    ):
        FinestFPN(LEVELS, 4)(pyramid()[:2])
