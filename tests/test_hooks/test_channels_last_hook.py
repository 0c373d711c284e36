"""The hook changes the memory format of the weights and no result."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import HOOKS, MODELS

from helpers.tiny import load_config


@pytest.mark.parametrize(
    'name',
    [
        'ctdet_cspnext-tiny-fast_1xb4-12e_bccd',
        'ctdet_r18-dcnv2_6xb19-official-140e_coco',
    ],
)
@pytest.mark.parametrize('moment', ['before_train', 'before_val', 'before_test'])
def test_maps_are_the_same_in_either_format(name, moment):
    torch.manual_seed(0)
    model = MODELS.build(load_config(name).model).eval()
    converted = copy.deepcopy(model)
    hook = HOOKS.build(dict(type='ChannelsLastHook'))
    getattr(hook, moment)(SimpleNamespace(model=converted))
    weight = next(p for p in converted.parameters() if p.dim() == 4 and p.shape[1] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 64, 64)
    results = []
    for one in (model, converted):
        maps = [stacks[0] for stacks in one(images)]
        sum(m.square().sum() for m in maps).backward()
        first = next(one.backbone.parameters())
        results.append([*maps, first.grad])
    for ours, expected in zip(results[1], results[0], strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4 * scale)
