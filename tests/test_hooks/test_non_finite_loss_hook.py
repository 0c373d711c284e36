"""Losses that are not finite stop training."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from helpers.tiny import tiny_config


@pytest.fixture
def detector_and_batch(tmp_path):
    """A detector in training mode with the hook, and a batch of two images."""
    cfg = Config.fromfile(tiny_config(tmp_path))
    init_default_scope('mmdet')
    detector = MODELS.build(cfg.model).train()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in range(2)])
    batch = detector.data_preprocessor(batch, True)
    hook = HOOKS.build(dict(type='NonFiniteLossHook'))
    runner = SimpleNamespace(model=detector)
    hook.before_train(runner)
    yield detector, batch
    hook.after_train(runner)
    assert not detector._forward_hooks


def test_finite_losses_raise_nothing(detector_and_batch):
    detector, batch = detector_and_batch
    assert detector(**batch, mode='loss')['loss_wh'].isfinite()
    detector(**batch, mode='tensor')


def test_names_the_image_and_the_terms(detector_and_batch):
    detector, batch = detector_and_batch
    batch['inputs'][1] = torch.nan
    good, bad = (sample.img_path for sample in batch['data_samples'])
    with pytest.raises(FloatingPointError) as error:
        detector(**batch, mode='loss')
    message = str(error.value)
    assert message.startswith('loss_center_heatmap, loss_wh, loss_offset not finite')
    assert f'(caused by {bad}). ' in message
    assert f'Images of the batch: {good}, {bad}.' in message


def test_names_a_single_term(detector_and_batch):
    detector, batch = detector_and_batch
    torch.nn.init.constant_(detector.bbox_head.wh_head[-1].bias, torch.inf)
    with pytest.raises(FloatingPointError, match=r'^loss_wh not finite'):
        detector(**batch, mode='loss')


def test_model_with_another_head(tmp_path):
    cfg = Config.fromfile(tiny_config(tmp_path))
    cfg.model.bbox_head.type = 'CenterNetHead'
    init_default_scope('mmdet')
    detector = MODELS.build(cfg.model).train()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in range(2)])
    batch = detector.data_preprocessor(batch, True)
    hook = HOOKS.build(dict(type='NonFiniteLossHook'))
    hook.before_train(SimpleNamespace(model=detector))
    detector(**batch, mode='loss')
    batch['inputs'][1] = torch.nan
    bad = batch['data_samples'][1].img_path
    with pytest.raises(FloatingPointError, match=rf'\(caused by {bad}\)'):
        detector(batch['inputs'], batch['data_samples'], mode='loss')
    hook.after_train(None)


class Branches(torch.nn.Module):
    """Has several batches per step, as in semi-supervised training."""

    def forward(self, inputs, data_samples):
        return dict(sup_loss=[torch.tensor(1.0), torch.tensor(torch.inf)])


def test_model_with_several_batches_per_step():
    model = Branches()
    hook = HOOKS.build(dict(type='NonFiniteLossHook'))
    hook.before_train(SimpleNamespace(model=model))
    samples = [DetDataSample(metainfo=dict(img_path=name)) for name in 'ab']
    given = dict(
        inputs=dict(sup=torch.zeros(1), unsup=torch.zeros(1)),
        data_samples=dict(sup=samples[:1], unsup=samples[1:]),
    )
    with pytest.raises(FloatingPointError) as error:
        model(**given)
    assert str(error.value).startswith(
        'sup_loss not finite. Images of the batch: a, b.'
    )
