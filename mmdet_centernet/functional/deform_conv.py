"""Modulated deformable convolution (DCNv2) composed of standard operators.

Legend: B images, G deformable groups, T = kernel height x width taps, H x W input map,
Y x X output map.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[int, int]


def sampled_deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Computes a modulated deformable convolution with ``grid_sample``.

    `Deformable ConvNets v2 <https://arxiv.org/abs/1811.11168>`_, equation 1: the sum
    over taps of weight x mask x input at displaced positions. Arguments are those of
    mmcv's ``modulated_deform_conv2d``. One ``grid_sample`` samples all taps bilinearly,
    with zeros outside the map, and a 1x1 convolution applies the weights. This needs T
    times the memory of the input.

    Args:
        x: (B, C, H, W).
        offset: (B, G * T * 2, Y, X) displacement of each tap in y and x, in cells.
        mask: (B, G * T, Y, X).
        weight: (D, C / groups, kernel height, kernel width).
        bias: (D,).
        stride: Of the output map, vertically and horizontally, in cells.
        padding: Number of cells by which the first tap lies outside the map.
        dilation: Distance of neighboring taps in cells.
        groups: Groups of the convolution.
        deform_groups: Number of deformable groups, G.

    Returns:
        (B, D, Y, X).
    """
    height, width = x.shape[-2:]
    rows, columns = offset.shape[-2:]
    taps = weight.shape[2] * weight.shape[3]
    displaced = offset.reshape(-1, taps, 2, rows, columns)  # (B * G, T, 2, Y, X)
    tap_ys, tap_xs = _tap_positions(weight.shape[-2:], dilation, x)  # (T, 1, 1)
    starts_y = _starts(rows, stride[0], padding[0], x)  # (Y,)
    starts_x = _starts(columns, stride[1], padding[1], x)  # (X,)
    ys = displaced[:, :, 0] + starts_y[:, None] + tap_ys  # (B * G, T, Y, X)
    xs = displaced[:, :, 1] + starts_x + tap_xs
    # grid_sample expects -1 to 1 between the outer edges of the map.
    grid = torch.stack([(2 * xs + 1) / width - 1, (2 * ys + 1) / height - 1], dim=-1)
    values = F.grid_sample(
        x.reshape(-1, x.shape[1] // deform_groups, height, width),
        grid.reshape(-1, taps * rows, columns, 2),
        align_corners=False,
    )  # (B * G, C / G, T * Y, X)
    values = values.reshape(-1, x.shape[1] // deform_groups, taps, rows, columns)
    values = values * mask.reshape(
        -1, 1, taps, rows, columns
    )  # (B * G, C / G, T, Y, X)
    return F.conv2d(
        values.reshape(-1, x.shape[1] * taps, rows, columns),
        weight.flatten(1)[:, :, None, None],
        bias,
        groups=groups,
    )


def _starts(length: int, stride: int, padding: int, like: Tensor) -> Tensor:
    """Returns where the first tap of each output cell lies on one axis, (length,)."""
    return torch.arange(length, device=like.device).to(like.dtype) * stride - padding


def _tap_positions(
    kernel: torch.Size, dilation: Pair, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns y and x of each tap relative to the first, both (T, 1, 1)."""
    ys, xs = zip(
        *(
            (row * dilation[0], column * dilation[1])
            for row in range(kernel[0])
            for column in range(kernel[1])
        ),
        strict=True,
    )
    return like.new_tensor(ys)[:, None, None], like.new_tensor(xs)[:, None, None]
