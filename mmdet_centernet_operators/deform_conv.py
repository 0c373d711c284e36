"""Deformable convolutions, DCNv1 and DCNv2, without compiled operators.

Legend: B images, G deformable groups, T = kernel height x width taps, C input and D
output channels, H x W input map, Y x X output map. A group of the convolution has C'
input and D' output channels.

Images are computed one at a time, since the samples of all taps take T times the memory
of the map; the backward pass computes them again. On devices other than a CPU,
torchvision's kernel is used if available.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mmdet_centernet_operators.kernels import torchvision_ops
from mmdet_centernet_operators.sampling import (
    axis_corners,
    corners,
    to_rows,
    weighted_sums,
)

Pair = tuple[int, int]


class Inputs(NamedTuple):
    """Inputs of a deformable convolution.

    Attributes:
        x: (B, C, H, W).
        offset: (B, G * T * 2, Y, X) y and x of each tap, in cells.
        mask: (B, G * T, Y, X), or None for ones: DCNv1.
        weight: (D, C', kernel height, kernel width).
        bias: (D,), or None.
    """

    x: Tensor
    offset: Tensor
    mask: Tensor | None
    weight: Tensor
    bias: Tensor | None


class Geometry(NamedTuple):
    """Settings of a deformable convolution, vertically and horizontally.

    Attributes:
        stride: Input cells per output cell.
        padding: Cells by which the first tap lies outside the map.
        dilation: Cells between taps.
        groups: Groups of the convolution.
        deform_groups: Groups of channels with shared offsets, G.
    """

    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    deform_groups: int


def deform_conv2d(inputs: Inputs, geometry: Geometry) -> Tensor:
    """Sums weight x mask x input over the taps, at positions moved by the offsets.

    `Deformable ConvNets v2 <https://arxiv.org/abs/1811.11168>`_, equation 1. Samples
    are bilinear, with zeros outside the map, and computed in at least float32: half
    precision is too coarse for fractional positions.

    Returns:
        (B, D, Y, X) in the dtype of the offsets, as in mmcv. It is differentiable once,
        by all inputs.
    """
    return _DeformConv.apply(*inputs, geometry).to(inputs.offset.dtype)


class _DeformConv(Function):
    """Saves only the inputs and computes the samples again in backward."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        *tensors, ctx.geometry = args
        ctx.save_for_backward(*tensors)
        return convolve(Inputs(*tensors), ctx.geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs = Inputs(*ctx.saved_tensors)
        needed = ctx.needs_input_grad[:-1]
        return (*gradients(inputs, needed, ctx.geometry, grad_output), None)


def convolve(inputs: Inputs, geometry: Geometry) -> Tensor:
    """Computes a deformable convolution without a gradient.

    Returns:
        (B, D, Y, X), at least float32.
    """
    x, offset, _, weight, bias = inputs
    dtype = _at_least_float32(x)
    with torch.no_grad(), _without_autocast(x):
        if _torchvision_is_faster(x):
            return _by_torchvision(inputs, geometry)
        output = x.new_empty((len(x), len(weight), *offset.shape[2:]), dtype=dtype)
        kernel = _to_matrices(weight.to(dtype), geometry.groups)
        for image, target in enumerate(output):
            columns = _columns(_one_image(inputs, image), geometry)
            target.copy_((kernel @ columns.mT).reshape(target.shape))
        return output if bias is None else output + bias.to(dtype)[:, None, None]


def gradients(
    inputs: Inputs, needed: Sequence[bool], geometry: Geometry, grad_output: Tensor
) -> list[Tensor | None]:
    """Computes the gradients of a loss by the inputs.

    Args:
        inputs: Inputs of the convolution.
        needed: Whether to compute the gradient of each input.
        geometry: Settings of the convolution.
        grad_output: (B, D, Y, X), gradient of the loss by the output.

    Returns:
        The gradient of each input, or None.
    """
    grads = [
        torch.zeros_like(tensor) if tensor is not None and need else None
        for tensor, need in zip(inputs, needed, strict=True)
    ]
    grad_output = grad_output.to(_at_least_float32(grad_output))
    with _without_autocast(grad_output):
        if _torchvision_is_faster(grad_output):
            leaves = _leaves(inputs)
            with torch.enable_grad():
                output = _by_torchvision(leaves, geometry)
            _fill(grads, output, leaves, grad_output)
        else:
            _fill_by_image(grads, inputs, geometry, grad_output)
    return grads


def _fill_by_image(
    grads: Sequence[Tensor | None],
    inputs: Inputs,
    geometry: Geometry,
    grad_output: Tensor,
) -> None:
    """Fills the gradients that are not None."""
    _, _, _, grad_weight, grad_bias = grads
    kernel = _to_matrices(inputs.weight.to(grad_output.dtype), geometry.groups)
    grad_kernel = torch.zeros_like(kernel)
    for image, grad in enumerate(grad_output):
        grad = grad.flatten(1).unflatten(
            0, (geometry.groups, -1)
        )  # (groups, D', Y * X)
        leaves = _leaves(_one_image(inputs, image))
        with torch.enable_grad():
            columns = _columns(leaves, geometry)
        if grad_weight is not None:
            grad_kernel += grad @ columns.detach()
        targets = [None if one is None else one[image] for one in grads[:3]]
        _fill(targets, columns, leaves[:3], grad.mT @ kernel)
    if grad_weight is not None:
        grad_weight.copy_(_from_matrices(grad_kernel, grad_weight.shape))
    if grad_bias is not None:
        grad_bias.copy_(grad_output.sum(dim=(0, 2, 3)))


def _fill(
    targets: Sequence[Tensor | None],
    output: Tensor,
    leaves: Sequence[Tensor | None],
    grad_output: Tensor,
) -> None:
    """Fills the gradients that are not None with torch's autograd."""
    pairs = [
        (target, leaf)
        for target, leaf in zip(targets, leaves, strict=True)
        if target is not None and leaf is not None
    ]
    if pairs:
        found = torch.autograd.grad(output, [leaf for _, leaf in pairs], grad_output)
        for (target, _), grad in zip(pairs, found, strict=True):
            target.copy_(grad)


def _leaves(inputs: Inputs) -> Inputs:
    """Detaches the inputs and enables gradients."""
    leaves = (one if one is None else one.detach().requires_grad_() for one in inputs)
    return Inputs(*leaves)  # type: ignore[arg-type]


def _one_image(inputs: Inputs, image: int) -> Inputs:
    """Selects an image in the first three tensors."""
    x, offset, mask, weight, bias = inputs
    mask = None if mask is None else mask[image]
    return Inputs(x[image], offset[image], mask, weight, bias)


def _at_least_float32(like: Tensor) -> torch.dtype:
    return torch.promote_types(like.dtype, torch.float32)


def _without_autocast(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, enabled=False)


def _torchvision_is_faster(x: Tensor) -> bool:
    """Whether to use torchvision's kernel; on a CPU this module is faster."""
    return x.device.type != 'cpu' and torchvision_ops() is not None


def _by_torchvision(inputs: Inputs, geometry: Geometry) -> Tensor:
    dtype = _at_least_float32(inputs.x)
    x, offset, mask, weight, bias = (
        one if one is None else one.to(dtype) for one in inputs
    )
    stride, padding, dilation, _, _ = geometry
    convolution = torchvision_ops().deform_conv2d  # type: ignore[union-attr]
    return convolution(x, offset, weight, bias, stride, padding, dilation, mask)


def _to_matrices(weight: Tensor, groups: int) -> Tensor:
    """Reshapes (D, C', h, w) to (groups, D', T * C')."""
    weight = weight.flatten(2).unflatten(0, (groups, -1))  # (groups, D', C', T)
    return weight.mT.flatten(2)


def _from_matrices(matrices: Tensor, shape: torch.Size) -> Tensor:
    """Inverts `_to_matrices`."""
    taps = matrices.unflatten(2, (-1, shape[1]))  # (groups, D', T, C')
    return taps.mT.reshape(shape)


def _columns(inputs: Inputs, geometry: Geometry) -> Tensor:
    """Samples the taps in one image: (groups, Y * X, T * C')."""
    x, offset, mask, weight, _ = inputs
    dtype, groups = _at_least_float32(x), geometry.deform_groups
    kernel = weight.shape[2:]
    indices, weights = _tap_corners(x, offset.to(dtype), kernel, geometry)
    if mask is not None:
        weights = weights * _taps_last(mask.to(dtype), groups)[..., None]
    rows = to_rows(x[None].to(dtype), groups)
    sampled = weighted_sums(rows, indices.flatten(0, -2), weights.flatten(0, -2))
    # (Y * X * T * G, C / G) -> (Y * X, T, groups, C')
    sampled = sampled.view(-1, kernel.numel(), geometry.groups, weight.shape[1])
    return sampled.permute(2, 0, 1, 3).flatten(2)


def _tap_corners(
    x: Tensor, offset: Tensor, kernel: torch.Size, geometry: Geometry
) -> tuple[Tensor, Tensor]:
    """Returns table rows around each tap and their weights, both (Y, X, T, G, 4)."""
    groups = geometry.deform_groups
    height, width = x.shape[1:]
    ys, xs = _taps_last(offset, groups).unflatten(2, (-1, 2)).unbind(3)  # (Y, X, T, G)
    base_ys, base_xs = _base_taps(offset.shape[1:], kernel, geometry, offset)
    row_cells, row_weights = axis_corners(ys + base_ys, height)
    column_cells, column_weights = axis_corners(xs + base_xs, width)
    cells = corners(row_cells * width, column_cells, torch.add)
    group = torch.arange(groups, device=x.device)[:, None]
    return cells * groups + group, corners(row_weights, column_weights, torch.mul)


def _taps_last(values: Tensor, groups: int) -> Tensor:
    """Reshapes (G * N, Y, X) to (Y, X, N, G)."""
    return values.unflatten(0, (groups, -1)).permute(2, 3, 1, 0)


def _base_taps(
    size: torch.Size, kernel: torch.Size, geometry: Geometry, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns tap positions without offsets: (Y, 1, T, 1) and (1, X, T, 1)."""
    starts, steps = [], []
    for axis in range(2):
        cells = torch.arange(size[axis], device=like.device)
        starts.append(cells * geometry.stride[axis] - geometry.padding[axis])
        taps = torch.arange(kernel[axis], device=like.device)
        steps.append(taps * geometry.dilation[axis])
    step_ys = steps[0].repeat_interleave(kernel[1])  # (T,)
    step_xs = steps[1].repeat(kernel[0])
    ys = starts[0][:, None, None, None] + step_ys[:, None]
    xs = starts[1][None, :, None, None] + step_xs[:, None]
    return ys.to(like.dtype), xs.to(like.dtype)
