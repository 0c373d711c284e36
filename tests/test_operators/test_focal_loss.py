"""mmcv's sigmoid focal loss against mmdet's in Python; mmcv has no CPU kernel."""

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss
from mmdet.models.losses.focal_loss import py_focal_loss_with_prob
from torch.nn.functional import one_hot

from helpers.compiled_mmcv import our_operators

CLASSES = 4


def draw():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(50, CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.randint(CLASSES + 1, (50,), generator=generator)
    return logits, labels


@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
@pytest.mark.parametrize('alpha', [0.25, 0.6])
def test_equals_mmdet(gamma, alpha):
    logits, labels = draw()
    targets = one_hot(labels, CLASSES + 1)[:, :CLASSES]
    expected = py_focal_loss_with_prob(
        logits.sigmoid(), targets, None, gamma, alpha, 'none'
    )
    with our_operators():
        loss = sigmoid_focal_loss(logits, labels, gamma, alpha, None, 'none')
    torch.testing.assert_close(loss, expected)


def test_weights_of_classes_and_the_background():
    logits, labels = draw()
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    with our_operators():
        plain = sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, 'none')
        weighted = sigmoid_focal_loss(logits, labels, 2.0, 0.25, weight, 'none')
    expected = torch.cat([weight, torch.ones(1, dtype=weight.dtype)])[labels]
    torch.testing.assert_close(weighted, plain * expected[:, None])


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_gradients(reduction):
    logits, labels = draw()
    with our_operators():
        function = lambda logits: sigmoid_focal_loss(  # noqa: E731
            logits, labels, 2.0, 0.25, None, reduction
        )
        assert torch.autograd.gradcheck(function, logits.requires_grad_())


def test_confident_logits_give_finite_losses_and_gradients():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    with our_operators():
        loss = sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, 'sum')
        loss.backward()
    # 0.75 * 200 for the wrong class, 0.25 * 200 for the right one that is denied.
    torch.testing.assert_close(loss.item(), 200.0)
    torch.testing.assert_close(logits.grad, torch.tensor([[0.75, -0.25]]))
