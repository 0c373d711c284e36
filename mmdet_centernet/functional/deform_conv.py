"""A modulated deformable convolution (DCNv2) out of operators that every runtime has.

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
    """The sum over taps of weight x mask x input, at places that the offsets move.

    `Deformable ConvNets v2 <https://arxiv.org/abs/1811.11168>`_, equation 1. Arguments
    are those of mmcv's ``modulated_deform_conv2d``. All taps are sampled by one
    ``grid_sample``, bilinearly and with zeros outside the map, and weighed by a 1x1
    convolution: that takes T times the memory of the input.

    Args:
        x: (B, C, H, W).
        offset: (B, G * T * 2, Y, X) y and x of each tap, in cells.
        mask: (B, G * T, Y, X).
        weight: (D, C / groups, kernel height, kernel width).
        bias: (D,).
        stride: Of the output map, vertically and horizontally, in cells.
        padding: Cells by which the first tap lies outside the map.
        dilation: Cells from tap to tap.
        groups: Groups of the convolution.
        deform_groups: How many, G.

    Returns:
        (B, D, Y, X).
    """
    height, width = x.shape[-2:]
    rows, columns = offset.shape[-2:]
    taps = weight.shape[2] * weight.shape[3]
    moved = offset.reshape(-1, taps, 2, rows, columns)  # (B * G, T, 2, Y, X)
    tap_ys, tap_xs = _tap_places(weight.shape[-2:], dilation, x)
    ys = moved[:, :, 0] + _starts(rows, stride[0], padding[0], x)[:, None] + tap_ys
    xs = moved[:, :, 1] + _starts(columns, stride[1], padding[1], x) + tap_xs
    # grid_sample counts from -1 to 1, between the outer edges of the map.
    grid = torch.stack([(2 * xs + 1) / width - 1, (2 * ys + 1) / height - 1], dim=-1)
    values = F.grid_sample(
        x.reshape(-1, x.shape[1] // deform_groups, height, width),
        grid.reshape(-1, taps * rows, columns, 2),
        align_corners=False,
    )
    values = values.reshape(-1, x.shape[1] // deform_groups, taps, rows, columns)
    values = values * mask.reshape(-1, 1, taps, rows, columns)
    return F.conv2d(
        values.reshape(-1, x.shape[1] * taps, rows, columns),
        weight.flatten(1)[:, :, None, None],
        bias,
        groups=groups,
    )


def _starts(length: int, stride: int, padding: int, like: Tensor) -> Tensor:
    """Where the first tap of each output cell lies along one axis."""
    return torch.arange(length, device=like.device).to(like.dtype) * stride - padding


def _tap_places(
    kernel: torch.Size, dilation: Pair, like: Tensor
) -> tuple[Tensor, Tensor]:
    """How far each tap lies from the first, both (T, 1, 1)."""
    ys, xs = zip(
        *(
            (row * dilation[0], column * dilation[1])
            for row in range(kernel[0])
            for column in range(kernel[1])
        ),
        strict=True,
    )
    return like.new_tensor(ys)[:, None, None], like.new_tensor(xs)[:, None, None]
