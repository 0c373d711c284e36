"""Many steps in a row: in half precision, and twice with the same seed."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import init_default_scope
from torch import nn

from helpers.exported import small_config
from helpers.heads import instances, loss, make_head

SIDE = 64
NETWORKS = ('r18', 'r18_dcn', 'dla34', 'hourglass', 'r18_fpn')
PRECISIONS = {'cpu': torch.bfloat16, 'cuda': torch.float16}


def optimizer(device, parameters):
    sgd = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
    if device == 'cpu':  # mmengine's wrapper for half precision wants a GPU
        return OptimWrapper(sgd)
    return AmpOptimWrapper(dtype='float16', optimizer=sgd)


@pytest.mark.parametrize('logit', [-1e4, -30.0, 30.0, 1e4])
@pytest.mark.parametrize('device', PRECISIONS)
def test_half_precision_from_logits_of_the_worst(device, logit):
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('needs a CUDA device')
    head = make_head().to(device)
    nn.init.constant_(head.heatmap_head[-1].bias, logit)
    features = torch.randn(2, 8, 32, 32, device=device)
    gt = [instances([[8, 8, 60, 60]]).to(device), instances([]).to(device)]
    wrapper = optimizer(device, head.parameters())
    values = []
    for _ in range(200):
        with torch.autocast(device, PRECISIONS[device]):
            maps = head([features])
        total = sum(loss(head, maps, gt).values())
        wrapper.update_params(total)
        values.append(total.item())
    assert torch.tensor(values).isfinite().all()
    assert all(weight.isfinite().all() for weight in head.parameters())
    assert values[-1] < values[0]


@pytest.mark.slow
@pytest.mark.parametrize('name', NETWORKS)
def test_the_same_seed_gives_the_same_losses(name):
    first, second = (fifty_losses(name, seed=0) for _ in range(2))
    assert first == second
    (other,) = fifty_losses(name, seed=1, steps=1)
    assert other != first[0]


def fifty_losses(name, seed, steps=50):
    """Losses of the first steps on noise."""
    init_default_scope('mmdet')
    torch.manual_seed(seed)
    cfg = small_config(name)
    cfg.model.backbone.pop('init_cfg', None)
    detector = MODELS.build(cfg.model).train()
    detector.init_weights()
    inputs = torch.randn(2, 3, SIDE, SIDE)
    samples = [sample([[4, 4, 40, 50]]), sample([[10, 20, 30, 40], [0, 0, 60, 60]])]
    wrapper = OptimWrapper(torch.optim.SGD(detector.parameters(), lr=1e-4))
    losses = []
    for _ in range(steps):
        total, _ = detector.parse_losses(detector(inputs, samples, mode='loss'))
        wrapper.update_params(total)
        losses.append(total.item())
    return losses


def sample(boxes):
    shape = dict(img_shape=(SIDE, SIDE), batch_input_shape=(SIDE, SIDE))
    one = DetDataSample(metainfo=shape)
    one.gt_instances = instances(boxes)
    return one
