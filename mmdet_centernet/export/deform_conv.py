"""Exports mmcv's DCNv2 as standard ONNX operators.

mmcv exports it as a custom operator, which runtimes only have with mmdeploy.
"""

from __future__ import annotations

from typing import Any

import torch
from mmcv.ops.modulated_deform_conv import (
    ModulatedDeformConv2d,
    ModulatedDeformConv2dPack,
    modulated_deform_conv2d,
)
from torch import Tensor, nn
from torch.autograd import Function

from mmdet_centernet.functional.deform_conv import sampled_deform_conv2d


def replace_deform_convs(model: nn.Module, *, grid_sample: bool) -> int:
    """Replaces the DCNv2 layers of a model so that they export as standard operators.

    Args:
        model: Changed in place; its outputs stay the same.
        grid_sample: Export them as ``GridSample`` (opset 16), else as ``DeformConv``
            (opset 19).

    Returns:
        The number of replaced layers.
    """
    layers = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, ModulatedDeformConv2dPack)
    ]
    for parent, name, child in layers:
        setattr(parent, name, _ExportedDeformConv(child, grid_sample=grid_sample))
    return len(layers)


class _ExportedDeformConv(nn.Module):
    """Computes an mmcv layer with exportable operators."""

    def __init__(self, layer: ModulatedDeformConv2dPack, *, grid_sample: bool) -> None:
        super().__init__()
        self.layer = layer
        self.convolve = sampled_deform_conv2d if grid_sample else _DeformConv.apply

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        rows, columns, mask = layer.conv_offset(x).chunk(3, dim=1)
        return self.convolve(
            x,
            torch.cat([rows, columns], dim=1),
            mask.sigmoid(),
            layer.weight,
            _bias(layer),
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            layer.deform_groups,
        )


class _DeformConv(Function):
    """mmcv's operator, exported as the standard `DeformConv`; only for tracing."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        return modulated_deform_conv2d(*args)

    @staticmethod
    def symbolic(
        g: Any,
        x: Any,
        offset: Any,
        mask: Any,
        weight: Any,
        bias: Any,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
        deform_groups: int,
    ) -> Any:
        return g.op(
            'DeformConv',
            *(x, weight, offset, bias, mask),
            strides_i=stride,
            pads_i=(*padding, *padding),  # begin and end of both axes
            dilations_i=dilation,
            group_i=groups,
            offset_group_i=deform_groups,
        )


def _bias(layer: ModulatedDeformConv2d) -> Tensor:
    """Returns the bias, or zeros: ONNX Runtime does not accept an empty one."""
    if layer.bias is not None:
        return layer.bias
    return layer.weight.new_zeros(layer.out_channels)
