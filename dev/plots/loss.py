"""Draws the plots of docs/loss.md with the functions of the package.

Usage: python dev/plots/loss.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mmdet_centernet.files import write_figure
from mmdet_centernet.functional.focal import gaussian_focal_loss_with_logits
from mmdet_centernet.functional.gaussian import gaussian_cells

PEAK, NEAR, BACKGROUND, GRAY = '#d55e00', '#e69f00', '#0072b2', '#666666'
RADIUS = 9
HEATS = (1.0, 0.8, 0.5, 0.0)
HEAT_COLORS = (PEAK, '#cc79a7', NEAR, BACKGROUND)

Loss = Callable[[Tensor, Tensor], Tensor]


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--out', type=Path, default=Path('docs/images'), help='output folder'
    )
    return parser.parse_args()


def splat(radius: int, side: int) -> Tensor:
    """Returns the target (side, side) of one object in the middle of a map."""
    middle = side // 2
    cells = gaussian_cells(
        torch.tensor([[middle, middle]]), torch.tensor([radius]), (side, side)
    )
    heat = torch.zeros(side, side)
    heat[cells.ys, cells.xs] = cells.values
    return heat


def weight_of(heat: Tensor, gamma: float = 4.0) -> Tensor:
    """Returns the weight of a target below 1, relative to the background."""
    logits = torch.zeros_like(heat)
    loss = gaussian_focal_loss_with_logits(logits, heat, gamma=gamma)
    return loss / gaussian_focal_loss_with_logits(logits, torch.zeros_like(heat))


def gradient_of(loss: Loss, logits: Tensor, heat: float) -> Tensor:
    """Returns the gradient of a loss at each logit."""
    logits = logits.clone().requires_grad_()
    total = loss(logits, torch.full_like(logits, heat)).sum()
    return torch.autograd.grad(total, logits)[0]


def from_probabilities(heat: Tensor, target: Tensor, eps: float) -> Tensor:
    """Computes the loss from probabilities (paper, equation 1)."""
    at_peak = -(heat + eps).log() * (1 - heat) ** 2
    elsewhere = -(1 - heat + eps).log() * heat**2 * (1 - target) ** 4
    return torch.where(target == 1, at_peak, elsewhere)


def clamped_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Clamps the probabilities, as the official code does."""
    return from_probabilities(logits.sigmoid().clamp(1e-4, 1 - 1e-4), target, eps=0)


def eps_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Adds a small number inside the logarithm, as mmdet does."""
    return from_probabilities(logits.sigmoid(), target, eps=1e-12)


def draw_zones(left: Axes, right: Axes) -> None:
    """Draws the target across one object, and the loss in each of its zones."""
    side = 4 * RADIUS + 1
    across = splat(RADIUS, side)[side // 2]
    cells = torch.arange(side) - side // 2
    at_peak, near = across == 1, (across > 0) & (across < 1)
    for zone, color, label in (
        (at_peak, PEAK, '$Y = 1$: the center cell'),
        (near, NEAR, '$0 < Y < 1$: near a center'),
        (across == 0, BACKGROUND, '$Y = 0$: background'),
    ):
        left.bar(
            cells[zone], across[zone].clamp(min=0.012), 1, color=color, label=label
        )
    left.set(xlabel='cells from the center', ylabel='target $Y$', ylim=(0, 1.3))
    left.set_title('Three zones')
    left.legend(loc='upper center', fontsize=8, ncols=2)
    heat = torch.linspace(0.002, 0.998, 499)
    for target, color in zip(HEATS, HEAT_COLORS, strict=True):
        loss = gaussian_focal_loss_with_logits(
            heat.logit(), torch.full_like(heat, target)
        )
        right.plot(heat, loss, color=color, label=f'$Y = {target:g}$')
    right.set(xlabel=r'predicted heat $\hat Y$', ylabel='loss', ylim=(1e-5, 10))
    right.set_yscale('log')
    right.set_title('Loss of a cell')
    right.legend(loc='upper center', fontsize=8, ncols=2)


def draw_weight(left: Axes, right: Axes) -> None:
    """Draws the weight near a center."""
    heat = torch.linspace(0, 0.999, 400)
    for gamma, style in ((1, ':'), (2, '-.'), (4, '-'), (8, '--')):
        color = NEAR if gamma == 4 else GRAY
        left.plot(
            heat,
            weight_of(heat, gamma),
            style,
            color=color,
            label=rf'$\beta = {gamma}$',
        )
    left.set(xlabel='target $Y$', ylabel=r'weight $(1 - Y)^\beta$')
    left.set_title('Weight of false heat')
    left.legend(fontsize=8)
    side = 2 * RADIUS + 5
    heat = splat(RADIUS, side)
    image = right.imshow(
        weight_of(heat).masked_fill(heat == 1, float('nan')), cmap='cividis', vmin=0
    )
    right.plot(side // 2, side // 2, 's', color=PEAK, markersize=7)
    right.set_title(r'The same around an object, $\beta = 4$')
    right.set_axis_off()
    right.figure.colorbar(image, ax=right, shrink=0.85)


def draw_gradient(left: Axes, right: Axes) -> None:
    """Draws the gradient at confident predictions."""
    logits = torch.linspace(-35, 35, 2801)
    for axes, heat, title in (
        (left, 0.0, 'Background, $Y = 0$: confident false peak on the right'),
        (right, 1.0, 'Peak, $Y = 1$: confident miss on the left'),
    ):
        for loss, label, style in (
            (
                gaussian_focal_loss_with_logits,
                'on logits (ours)',
                dict(color=PEAK, lw=3),
            ),
            (
                clamped_loss,
                'clamped to $[10^{-4}, 1 - 10^{-4}]$',
                dict(color=BACKGROUND),
            ),
            (eps_loss, r'$\log(\cdot + 10^{-12})$', dict(color='black', ls='--', lw=1)),
        ):
            axes.plot(logits, gradient_of(loss, logits, heat), label=label, **style)
        axes.set(xlabel='logit $x$', ylabel='gradient')
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
    left.legend(fontsize=8)


def main() -> None:
    """Draws all plots."""
    out = parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, draw in (
        ('zones', draw_zones),
        ('weight', draw_weight),
        ('gradient', draw_gradient),
    ):
        figure: Figure
        figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout='constrained')
        draw(*axes)
        path = out / f'loss_{name}.png'
        write_figure(path, figure)
        plt.close(figure)
        print(path)


if __name__ == '__main__':
    main()
