"""The heatmap loss against the formula in float64."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from torch import Tensor

from fuzz import draws
from fuzz.oracles import focal
from fuzz.outcome import RIGHT, refused
from mmdet_centernet.models import GaussianFocalLossWithLogits

EPSILON = 1e-6
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def focal_loss(draw: Random) -> str:
    """Value and gradient of the dense and the sparse loss."""
    shape = tuple(draw.randint(1, most) for most in (2, 3, 9, 9))
    alpha, gamma = draw.choice([0.0, 1.0, 2.0, 3.5]), draw.choice([0.0, 1.0, 4.0])
    loss = GaussianFocalLossWithLogits(alpha=alpha, gamma=gamma, reduction='sum')
    dtype = draw.choice(list(TOLERANCE))
    logits = draws.logits(draw, *shape).to(dtype)
    index, heat = draw_targets(draw, logits.numel())
    target = torch.zeros(logits.numel())
    target.scatter_reduce_(0, index, heat, 'amax')
    target = target.view(shape)
    expected = focal(logits.float().numpy(), target.numpy(), alpha=alpha, gamma=gamma)
    dense, dense_gradient = value_and_gradient(logits, lambda x: loss(x, target))
    sparse, sparse_gradient = value_and_gradient(
        logits, lambda x: loss.sparse(x, index, heat)
    )
    for value in (dense, sparse):
        np.testing.assert_allclose(value, expected.sum(), rtol=1e-4, atol=1e-3)
    check_gradient(logits, target, dense_gradient, (alpha, gamma))
    torch.testing.assert_close(sparse_gradient, dense_gradient, rtol=1e-3, atol=1e-5)
    return RIGHT


def draw_targets(draw: Random, numel: int) -> tuple[Tensor, Tensor]:
    """Draws cells, some of them duplicates, and their targets, some of them 0 or 1."""
    count = draw.randint(0, 6)
    cells = torch.tensor(
        [draw.randrange(numel) for _ in range(count)], dtype=torch.long
    )
    heat = torch.tensor([draw.choice([0.0, draw.random(), 1.0]) for _ in range(count)])
    return cells, heat


def value_and_gradient(logits: Tensor, loss) -> tuple[float, Tensor]:
    """Returns the loss and its gradient by the logits."""
    logits = logits.clone().requires_grad_()
    value = loss(logits)
    value.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    return value.item(), logits.grad.float()


def check_gradient(
    logits: Tensor, target: Tensor, gradient: Tensor, exponents: tuple[float, float]
) -> None:
    """Compares the gradient with the central difference of the formula in float64."""
    alpha, gamma = exponents
    middle, heat = logits.double().numpy(), target.numpy()
    ahead, behind = (
        focal(middle + step, heat, alpha=alpha, gamma=gamma)
        for step in (EPSILON, -EPSILON)
    )
    expected = (ahead - behind) / (2 * EPSILON)
    tolerance = TOLERANCE[logits.dtype]
    # Differences of large numbers lose digits.
    noise = 1e-16 * np.abs(ahead) / EPSILON
    close = np.abs(gradient.numpy() - expected) <= (
        tolerance * (1 + np.abs(expected)) + 8 * noise
    )
    assert close.all(), (logits, gradient, expected)


def refuse(draw: Random) -> str:
    """Invalid exponents, reductions, shapes and cells."""
    kind = GaussianFocalLossWithLogits
    logits = torch.zeros(1, 2, 4, 4)
    message, call = draw.choice(
        [
            ('negative', lambda: kind(alpha=-1.0)(logits, logits)),
            ('negative', lambda: kind(gamma=-0.5)(logits, logits)),
            ('choose', lambda: kind(reduction=draw.choice(['avg', '', 'Mean']))),
            ('shape', lambda: kind()(logits, logits[:, :1])),
            (r'\(P,\)', lambda: kind().sparse(logits, torch.zeros(2).long(), logits)),
            ('int64', lambda: kind().sparse(logits, torch.zeros(2), torch.zeros(2))),
        ]
    )
    return refused(ValueError, message, call)
