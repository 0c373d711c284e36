"""The DLA backbone by itself; its outputs are compared in test_networks_golden."""

import pytest
import torch
from torch import nn

from helpers.official_networks import our_network
from mmdet_centernet.models import DLANet

CHANNELS = (16, 32, 64, 128, 256, 512)


def test_one_map_a_level_asked_for():
    model = DLANet(out_indices=(0, 2, 5)).eval()
    maps = model(torch.zeros(1, 3, 64, 96))
    assert [tuple(feat.shape[1:]) for feat in maps] == [
        (CHANNELS[level], 64 >> level, 96 >> level) for level in (0, 2, 5)
    ]


def test_levels_that_nobody_asks_for_do_not_exist():
    full, short = DLANet(), DLANet(out_indices=(2, 3))
    names = [name for name, _ in full.named_parameters()]
    assert [name for name, _ in short.named_parameters()] == [
        name for name in names if not name.startswith(('levels.4', 'levels.5'))
    ]


@pytest.mark.parametrize('out_indices', [(2, 3, 4, 5), (3,)])
def test_every_parameter_has_a_gradient(out_indices):
    # One without would stop DistributedDataParallel.
    model = DLANet(out_indices=out_indices)
    model.init_weights()
    sum(feat.square().sum() for feat in model(torch.randn(2, 3, 32, 32))).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_every_parameter_of_the_detector_has_a_gradient():
    model = our_network('dla_34').train()
    maps = model.bbox_head(model.extract_feat(torch.randn(2, 3, 32, 32)))
    sum(stacks[0].square().sum() for stacks in maps).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 4])
def test_frozen_stages(frozen_stages):
    model = DLANet(frozen_stages=frozen_stages).train()
    num_levels = 0 if frozen_stages < 0 else 2 + frozen_stages
    frozen = ['stem.', *(f'levels.{level}.' for level in range(num_levels))]
    frozen = tuple(frozen if frozen_stages >= 0 else [])
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith(frozen), name
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training != name.startswith(frozen), name
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model(torch.randn(2, 3, 32, 32))
    for name, value in model.state_dict().items():
        if name.endswith('running_mean'):
            assert torch.equal(value, before[name]) == name.startswith(frozen), name


def test_norm_eval_stops_statistics_and_nothing_else():
    model = DLANet(norm_eval=True).train()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert model.training and all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    'arguments',
    [dict(out_indices=(2, 6)), dict(frozen_stages=5), dict(frozen_stages=-2)],
)
def test_levels_and_stages_that_do_not_exist(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        DLANet(**arguments)


def test_other_norms():
    model = DLANet(norm_cfg=dict(type='GN', num_groups=8))
    model.init_weights()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert all(feat.isfinite().all() for feat in model(torch.randn(1, 3, 32, 32)))


def test_initial_weights_keep_the_signal_alive():
    torch.manual_seed(0)
    model = DLANet()
    model.init_weights()
    # Kaiming's rule with fan out, as in the official network and mmdet's ResNet.
    weight = model.levels[5].root.conv.weight
    assert weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
