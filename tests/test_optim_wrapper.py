"""Training under bfloat16 on a CPU: what is rounded, and what is not."""

import pytest
import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from helpers.tiny import load_config, shrink


def build_wrapper(model, **kwargs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(
        dict(type='CPUAmpOptimWrapper', optimizer=optimizer, **kwargs)
    )


def test_the_forward_pass_is_rounded_and_weights_are_not():
    torch.manual_seed(0)
    model = nn.Conv2d(3, 4, 3)
    wrapper = build_wrapper(model)
    images = torch.randn(2, 3, 8, 8)
    with wrapper.optim_context(model):
        maps = model(images)
    assert maps.dtype == torch.bfloat16
    assert model(images).dtype == torch.float32  # outside
    torch.testing.assert_close(maps.float(), model(images), rtol=2e-2, atol=2e-2)
    before = model.weight.detach().clone()
    wrapper.update_params(maps.float().square().mean())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)


def test_gradients_accumulate_as_in_the_wrapper_of_mmengine():
    model = nn.Linear(2, 1)
    wrapper = build_wrapper(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    before = model.weight.detach().clone()
    for step in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.ones(1, 2)).float().sum()
        wrapper.update_params(loss)
        assert torch.equal(model.weight, before) == (step == 0)


@pytest.mark.slow
def test_a_detector_trains_with_both_options(tmp_path):
    class Losses(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen.append({name: value.item() for name, value in outputs.items()})

    runs = []
    for wrapper, hooks in (
        ('OptimWrapper', {}),
        ('OptimWrapper', dict(channels_last=dict(type='ChannelsLastHook'))),
        ('CPUAmpOptimWrapper', dict(channels_last=dict(type='ChannelsLastHook'))),
    ):
        seen = []
        cfg = load_config('ctdet_cspnext-tiny-fast_1xb4-12e_bccd')
        cfg = shrink(cfg, tmp_path / str(len(runs)))
        cfg.optim_wrapper.type = wrapper
        cfg.default_hooks.update(hooks)
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Losses())
        runner.train()
        runs.append(seen[0])
    plain, converted, rounded = runs
    assert rounded != plain
    for name, loss in plain.items():
        assert converted[name] == pytest.approx(loss, rel=1e-4), name
        assert rounded[name] == pytest.approx(loss, rel=0.03), name
