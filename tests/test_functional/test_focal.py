import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

from helpers.half import AUTOCAST_DTYPES
from helpers.shared_data import golden_cases, load_golden
from mmdet_centernet.functional.focal import gaussian_focal_loss_with_logits

CLAMP = 1e-4
EXTREMES = (-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4)


def logit(probability):
    return math.log(probability / (1 - probability))


def by_hand(heat, probability):
    """The paper's formula for one cell, alpha 2 and beta 4."""
    if heat == 1:
        return -((1 - probability) ** 2) * math.log(probability)
    return -((1 - heat) ** 4) * probability**2 * math.log(1 - probability)


def official(logits, target):
    """The clamped form of the official code, cell by cell."""
    heat = logits.sigmoid().clamp(CLAMP, 1 - CLAMP)
    at_peak = -heat.log() * (1 - heat) ** 2
    elsewhere = -(1 - heat).log() * heat**2 * (1 - target) ** 4
    return torch.where(target == 1, at_peak, elsewhere)


def cells(shape=(3, 4, 5), spread=4.0, seed=0):
    """Float64 logits and a target with peaks, their surroundings and empty cells."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=rng, dtype=torch.float64) * spread
    target = torch.rand(shape, generator=rng, dtype=torch.float64)
    target[target > 0.8] = 1
    target[target < 0.3] = 0
    return logits, target


def value_and_gradient(loss, logits):
    logits = logits.clone().requires_grad_()
    losses = loss(logits)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    return losses.detach(), gradient


@pytest.mark.parametrize('heat', [0.8, 0.5, 0.01, 0.0, 1.0])
@pytest.mark.parametrize('probability', [0.99, 0.8, 0.5])
def test_worked_cases(heat, probability):
    logits, target = torch.tensor([logit(probability), heat], dtype=torch.float64)
    loss = gaussian_focal_loss_with_logits(logits, target)
    assert loss.item() == pytest.approx(by_hand(heat, probability), rel=1e-12)


@pytest.mark.parametrize('case', golden_cases('losses', 'focal'))
def test_official_values_and_gradients_inside_the_clamp(case):
    """Outside, the official gradient is cut to zero; ours goes on."""
    golden = load_golden('losses')
    logits = torch.from_numpy(golden[f'{case}__hm_logits'])
    target = torch.from_numpy(golden[f'{case}__target_hm'])
    num_peaks = (target == 1).sum().clamp(min=1)
    limit = logit(1 - CLAMP)
    rtol = 2e-5 if case == 'saturated' else 1e-5

    def loss(x):
        return gaussian_focal_loss_with_logits(x, target) / num_peaks

    value = loss(logits.clamp(-limit, limit)).sum()
    torch.testing.assert_close(
        value, torch.tensor(golden[f'{case}__focal']), rtol=rtol, atol=0
    )
    _, gradient = value_and_gradient(loss, logits)
    expected = torch.from_numpy(golden[f'{case}__focal_grad_logits'])
    inside = logits.abs() < limit
    assert inside.any()
    torch.testing.assert_close(gradient[inside], expected[inside], rtol=rtol, atol=1e-9)
    assert not expected[~inside].any()
    wrong = ~inside & ((logits > 0) != (target == 1)) & (target < 0.5)
    assert (gradient[wrong].abs() * num_peaks > 0.05).all()


def test_some_golden_logits_lie_outside_the_clamp():
    logits = torch.from_numpy(load_golden('losses')['saturated__hm_logits'])
    assert (logits.abs() > logit(1 - CLAMP)).sum() > 100


def test_equals_official_form_inside_the_clamp():
    logits, target = cells()
    logits = logits.clamp(-9, 9)
    ours = value_and_gradient(
        lambda x: gaussian_focal_loss_with_logits(x, target), logits
    )
    theirs = value_and_gradient(lambda x: official(x, target), logits)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize('alpha', [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 4.0])
def test_gradcheck(alpha, gamma):
    logits, target = cells()
    assert torch.autograd.gradcheck(
        lambda x: gaussian_focal_loss_with_logits(
            x, target, alpha=alpha, gamma=gamma, pos_weight=1.5, neg_weight=0.7
        ),
        logits.requires_grad_(),
    )


def test_binary_target_without_focus_is_cross_entropy():
    logits, target = cells()
    target = (target == 1).double()
    torch.testing.assert_close(
        gaussian_focal_loss_with_logits(logits, target, alpha=0),
        F.binary_cross_entropy_with_logits(logits, target, reduction='none'),
    )


@pytest.mark.parametrize('alpha', [0.5, 1.0, 2.0, 5.0])
def test_binary_target_gives_the_focal_loss_of_mmdet(alpha):
    """There, alpha is the weight of the positive class: 0.5 halves everything."""
    logits, target = cells()
    target = (target == 1).double()
    theirs = py_sigmoid_focal_loss(
        logits, target, gamma=alpha, alpha=0.5, reduction='none'
    )
    ours = gaussian_focal_loss_with_logits(logits, target, alpha=alpha)
    torch.testing.assert_close(0.5 * ours, theirs, rtol=1e-9, atol=1e-15)


def test_without_focus_background_is_softplus():
    logits, _ = cells()
    losses = gaussian_focal_loss_with_logits(logits, torch.zeros_like(logits), alpha=0)
    torch.testing.assert_close(losses, F.softplus(logits))


def test_gamma_0_forgives_nothing():
    logits, target = cells()
    torch.testing.assert_close(
        gaussian_focal_loss_with_logits(logits, target, gamma=0),
        gaussian_focal_loss_with_logits(logits, (target == 1).double()),
    )


def test_peak_and_background_are_symmetric():
    logits, _ = cells()
    torch.testing.assert_close(
        gaussian_focal_loss_with_logits(logits, torch.ones_like(logits)),
        gaussian_focal_loss_with_logits(-logits, torch.zeros_like(logits)),
    )


def test_weights_act_on_their_own_branch():
    logits, target = cells()
    plain = gaussian_focal_loss_with_logits(logits, target)
    weighted = gaussian_focal_loss_with_logits(
        logits, target, pos_weight=3, neg_weight=0.5
    )
    factors = torch.where(target == 1, 3.0, 0.5)
    torch.testing.assert_close(weighted, plain * factors)


def test_only_exactly_1_is_a_peak():
    almost = torch.tensor(1 - 2**-24, dtype=torch.float32)
    assert almost < 1
    assert gaussian_focal_loss_with_logits(torch.tensor(-5.0), almost) < 1e-20
    assert gaussian_focal_loss_with_logits(torch.tensor(-5.0), torch.tensor(1.0)) > 4


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('alpha', [0.0, 0.5, 2.0, 3.5])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 4.0])
@pytest.mark.parametrize('heat', [0.0, 0.5, 1.0])
def test_extreme_logits(dtype, alpha, gamma, heat):
    logits = torch.tensor(EXTREMES, dtype=dtype)
    losses, gradient = value_and_gradient(
        lambda x: gaussian_focal_loss_with_logits(
            x, torch.full_like(x, heat), alpha=alpha, gamma=gamma
        ),
        logits,
    )
    assert losses.isfinite().all()
    assert gradient.isfinite().all()
    # Where all heat is on the wrong answer the loss is the logit times the weight.
    worst, sign = (0, -1) if heat == 1 else (-1, 1)
    weight = 1 if heat == 1 else (1 - heat) ** gamma
    assert losses[worst].item() == pytest.approx(weight * logits[worst].abs().item())
    assert gradient[worst].item() == pytest.approx(weight * sign, rel=1e-2)


@pytest.mark.parametrize('dtype', AUTOCAST_DTYPES)
def test_half_precision_is_computed_in_float32(dtype):
    logits, target = cells()
    logits = logits.to(dtype)
    expected = gaussian_focal_loss_with_logits(logits.float(), target.float())
    with torch.autocast('cpu', dtype):
        losses = gaussian_focal_loss_with_logits(logits, target.float())
    assert losses.dtype == torch.float32
    assert torch.equal(losses, expected)


def test_target_receives_no_gradient():
    logits, target = cells()
    losses = gaussian_focal_loss_with_logits(logits, target.requires_grad_(), gamma=0.5)
    assert not losses.requires_grad


def test_shapes_have_to_agree():
    with pytest.raises(
        ValueError, match=r'target has shape \(3,\), the logits \(2, 3\)'
    ):
        gaussian_focal_loss_with_logits(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize('name', ['alpha', 'gamma'])
def test_negative_exponents_are_refused(name):
    with pytest.raises(ValueError, match=f'{name} is -1'):
        gaussian_focal_loss_with_logits(torch.zeros(2), torch.zeros(2), **{name: -1})
