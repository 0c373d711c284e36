import math

import pytest
import torch
from mmdet.models.losses import GaussianFocalLoss
from mmdet.registry import MODELS

import mmdet_centernet  # noqa: F401
from helpers.half import AUTOCAST_DTYPES, needs_sigmoid
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits

SHAPE = (2, 3, 8, 8)


def batch():
    """Float64 logits that stock can stand, and a target with four peaks."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(SHAPE, generator=rng, dtype=torch.float64) * 3
    target = torch.rand(SHAPE, generator=rng, dtype=torch.float64) * 0.99
    target.view(-1)[[5, 80, 200, 333]] = 1
    return logits, target


def value_and_gradient(total, logits):
    logits = logits.clone().requires_grad_()
    value = total(logits)
    value.sum().backward()
    return value.detach(), logits.grad


def built(**settings):
    return MODELS.build(dict(type='GaussianFocalLossWithLogits', **settings))


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(alpha=1.0, gamma=2.0, loss_weight=0.3),
        dict(pos_weight=2.0, neg_weight=0.75),
        dict(reduction='sum'),
        dict(reduction='none', loss_weight=2.0),
    ],
)
@pytest.mark.parametrize(
    'call',
    [
        dict(),
        dict(avg_factor=4),
        dict(avg_factor=torch.tensor(4)),
        dict(weight=torch.rand(SHAPE, dtype=torch.float64)),
        dict(weight=torch.rand(2, 1, 8, 8, dtype=torch.float64), avg_factor=3.5),
        dict(reduction_override='none'),
        dict(reduction_override='sum'),
        dict(reduction_override='mean', avg_factor=4),
    ],
)
def test_equals_stock_where_stock_is_finite(settings, call):
    reduction = call.get('reduction_override', settings.get('reduction', 'mean'))
    logits, target = batch()
    ours, stock = built(**settings), GaussianFocalLoss(**settings)
    if reduction == 'sum' and 'avg_factor' in call:
        for loss in (ours, stock):
            with pytest.raises(ValueError, match='avg_factor can not be used'):
                loss(logits.sigmoid(), target, **call)
        return
    torch.testing.assert_close(
        value_and_gradient(lambda x: ours(x, target, **call), logits),
        value_and_gradient(lambda x: stock(x.sigmoid(), target, **call), logits),
        rtol=1e-6,
        atol=1e-12,
    )


@needs_sigmoid
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_stock_is_not_a_number_in_half_precision_and_this_is(reduction):
    """sigmoid(9) is 1 in float16, and eps=1e-12 is 0: stock takes the log of 0."""
    logits = torch.tensor([9.0, 9.0, -9.0], dtype=torch.float16)
    target = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float16)
    stock = GaussianFocalLoss(reduction=reduction)(logits.sigmoid(), target)
    assert stock.isnan().any()
    ours = value_and_gradient(lambda x: built(reduction=reduction)(x, target), logits)
    assert ours[0].isfinite().all()
    assert ours[1].isfinite().all()
    total = math.log1p(math.exp(9)) + 2 * math.exp(-27)
    expected = {'none': total, 'sum': total, 'mean': total / 3}[reduction]
    assert ours[0].sum().item() == pytest.approx(expected, rel=1e-3)


def test_stock_has_no_gradient_at_a_sure_false_peak_and_this_has():
    logits, target = torch.tensor([30.0]), torch.zeros(1)
    _, stock = value_and_gradient(
        lambda x: GaussianFocalLoss()(x.sigmoid(), target), logits
    )
    _, ours = value_and_gradient(lambda x: built()(x, target), logits)
    assert stock.item() == 0
    assert ours.item() == pytest.approx(1)


@pytest.mark.parametrize('dtype', AUTOCAST_DTYPES)
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_computed_in_float32_under_autocast(dtype, reduction):
    logits, target = batch()
    logits, target = logits.to(dtype), target.float()
    loss = built(reduction=reduction)
    expected = loss(logits.float(), target)
    with torch.autocast('cpu', dtype):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_batch_without_objects(reduction):
    logits, target = batch()[0], torch.zeros(SHAPE, dtype=torch.float64)
    value, gradient = value_and_gradient(
        lambda x: built(reduction=reduction)(x, target), logits
    )
    assert (value >= 0).all()
    assert (gradient > 0).all()


@pytest.mark.parametrize('avg_factor', [None, 4, torch.tensor(4.0)])
@pytest.mark.parametrize('settings', [dict(), dict(pos_weight=2, loss_weight=0.5)])
def test_listed_cells_equal_a_dense_target(settings, avg_factor):
    logits, dense = batch()
    index = torch.randperm(dense.numel())[:200]
    heat = dense.view(-1)[index]
    target = torch.zeros_like(dense)
    target.view(-1)[index] = heat
    ignored = torch.rand(2, 1, 8, 8) < 0.3
    weight = ((target == 1) | ~ignored).double()
    loss = built(**settings)
    torch.testing.assert_close(
        value_and_gradient(
            lambda x: loss.sparse(x, index, heat, ignored, avg_factor=avg_factor),
            logits,
        ),
        value_and_gradient(
            lambda x: loss(x, target, weight, avg_factor=avg_factor), logits
        ),
    )


def test_listed_cells_have_no_map_of_losses():
    cells = torch.zeros(1, dtype=torch.int64), torch.ones(1)
    with pytest.raises(ValueError, match="set reduction='mean' or 'sum'"):
        built(reduction='none').sparse(torch.zeros(4), *cells)


def test_built_from_a_config():
    assert type(built()) is GaussianFocalLossWithLogits


@pytest.mark.parametrize(
    'make',
    [
        lambda: built(reduction='median'),
        lambda: built()(torch.zeros(2), torch.zeros(2), reduction_override='median'),
    ],
)
def test_unknown_reduction_is_refused(make):
    with pytest.raises(ValueError, match="reduction is 'median'; choose 'none'"):
        make()


def test_negative_exponent_is_refused():
    with pytest.raises(ValueError, match='alpha is -2'):
        built(alpha=-2)
