"""The functions of ``mmcv._ext``, with the same names and arguments.

mmcv passes output tensors to fill, and buffers that these functions do not need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mmdet_centernet_operators import focal_loss
from mmdet_centernet_operators.deform_conv import (
    Geometry,
    Inputs,
    convolve,
    gradients,
)
from mmdet_centernet_operators.nms import nms, soft_nms
from mmdet_centernet_operators.roi_align import (
    AVERAGE,
    Pooling,
    gradient_of_maximum,
    roi_align,
)


def modulated_deform_conv_forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **settings: int,
) -> None:
    """DCNv2; fills ``output``."""
    inputs = Inputs(x, offset, mask, weight, bias if with_bias else None)
    output.copy_(convolve(inputs, _modulated_geometry(settings)))


def modulated_deform_conv_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_x: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    with_bias: bool,
    **settings: int,
) -> None:
    """Gradients of DCNv2; fills the given tensors."""
    inputs = Inputs(x, offset, mask, weight, bias if with_bias else None)
    targets = (grad_x, grad_offset, grad_mask, grad_weight, grad_bias)
    _fill_gradients(targets, inputs, _modulated_geometry(settings), grad_output)


def deform_conv_forward(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **settings: int,
) -> None:
    """DCNv1; fills ``output``."""
    inputs = Inputs(x, offset, None, weight, None)
    output.copy_(convolve(inputs, _plain_geometry(settings)))


def deform_conv_backward_input(
    x: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_x: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **settings: int,
) -> None:
    """Gradients of DCNv1 by input and offsets; fills the tensors."""
    targets = (grad_x, grad_offset, None, None, None)
    inputs = Inputs(x, offset, None, weight, None)
    _fill_gradients(targets, inputs, _plain_geometry(settings), grad_output)


def deform_conv_backward_parameters(
    x: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    scale: float,
    **settings: int,
) -> None:
    """Gradient of DCNv1 by its weight; adds ``scale`` times the gradient."""
    # mmcv does not pass the weight, and its gradient does not depend on it.
    inputs = Inputs(x, offset, None, torch.zeros_like(grad_weight), None)
    grad = torch.zeros_like(grad_weight)
    targets = (None, None, None, grad, None)
    _fill_gradients(targets, inputs, _plain_geometry(settings), grad_output)
    grad_weight.add_(grad, alpha=scale)


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, **settings: Any) -> Tensor:
    """Soft-NMS; fills ``dets``."""
    return soft_nms(boxes, scores, dets, **settings)


def roi_align_forward(
    maps: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    **settings: Any,
) -> None:
    """RoIAlign; fills ``output`` and, for the maximum, its position."""
    with torch.no_grad():
        found = roi_align(maps, rois, _pooling(**settings))
    for target, values in zip((output, argmax_y, argmax_x), found, strict=True):
        target.copy_(values)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **settings: Any,
) -> None:
    """Gradient of RoIAlign by the maps; fills ``grad_input``."""
    pooling = _pooling(**settings)
    if pooling.mode == AVERAGE:
        # An average is linear in the maps, so its gradient does not depend on them.
        maps = torch.zeros_like(grad_input).requires_grad_()
        with torch.enable_grad():
            pooled, _, _ = roi_align(maps, rois, pooling)
        (grad,) = torch.autograd.grad(pooled, maps, grad_output)
    else:
        grad = gradient_of_maximum(
            grad_output, rois, argmax_y, argmax_x, grad_input.shape
        )
    grad_input.copy_(grad)


def sigmoid_focal_loss_forward(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor,
    output: Tensor,
    *,
    gamma: float,
    alpha: float,
) -> None:
    """Focal loss of each logit; fills ``output``."""
    weights = weight if weight.numel() else None
    output.copy_(focal_loss.sigmoid_focal_loss(logits, labels, weights, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    *,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each loss by its logit; fills ``grad_input``."""
    weights = weight if weight.numel() else None
    leaf = logits.detach().requires_grad_()
    with torch.enable_grad():
        loss = focal_loss.sigmoid_focal_loss(leaf, labels, weights, gamma, alpha).sum()
    (grad,) = torch.autograd.grad(loss, leaf)
    grad_input.copy_(grad)


def get_compiler_version() -> str:
    """Compiler version that mmcv prints."""
    return 'none: operators in plain torch by mmdet_centernet'


def get_compiling_cuda_version() -> str:
    """CUDA version that mmcv prints."""
    return 'not available'


OPERATORS: dict[str, Callable] = {
    function.__name__: function
    for function in (
        modulated_deform_conv_forward,
        modulated_deform_conv_backward,
        deform_conv_forward,
        deform_conv_backward_input,
        deform_conv_backward_parameters,
        nms,
        softnms,
        roi_align_forward,
        roi_align_backward,
        sigmoid_focal_loss_forward,
        sigmoid_focal_loss_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}
"""Implemented operators by name."""


def __getattr__(name: str) -> Callable:
    """Returns an operator; those not implemented raise when called."""
    if name.startswith('__'):
        raise AttributeError(name)
    return OPERATORS.get(name) or _missing(name)


def _missing(name: str) -> Callable:
    """Returns an operator that raises when called: mmcv looks up all at import."""

    def operator(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            'This mmcv has no compiled operators, and mmdet_centernet does not replace '
            f'`{name}`. Install mmcv with compiled operators (`mmdet_centernet doctor` '
            'prints the command), or configure a model that does not use this one.'
        )

    return operator


def _fill_gradients(
    targets: tuple[Tensor | None, ...],
    inputs: Inputs,
    geometry: Geometry,
    grad_output: Tensor,
) -> None:
    needed = [target is not None for target in targets]
    grads = gradients(inputs, needed, geometry, grad_output)
    for target, grad in zip(targets, grads, strict=True):
        if target is not None and grad is not None:
            target.copy_(grad)


def _modulated_geometry(settings: dict[str, int]) -> Geometry:
    return _geometry(settings, 'stride_{}', 'pad_{}', 'dilation_{}', axes=('h', 'w'))


def _plain_geometry(settings: dict[str, int]) -> Geometry:
    return _geometry(settings, 'd{}', 'pad{}', 'dilation{}', axes=('H', 'W'))


def _geometry(settings: dict[str, int], *names: str, axes: tuple[str, str]) -> Geometry:
    """Reads mmcv's settings; `names` are formats with the axis."""
    vertical, horizontal = axes
    stride, padding, dilation = (
        (settings[name.format(vertical)], settings[name.format(horizontal)])
        for name in names
    )
    groups, deform_groups = settings['group'], settings['deformable_group']
    return Geometry(stride, padding, dilation, groups, deform_groups)


def _pooling(
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> Pooling:
    bins = (aligned_height, aligned_width)
    return Pooling(bins, spatial_scale, sampling_ratio, pool_mode, aligned)
