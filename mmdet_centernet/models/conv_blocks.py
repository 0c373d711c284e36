"""Convolution blocks of the necks and of the head."""

from __future__ import annotations

from collections import OrderedDict

import torch
from mmcv.cnn import ConvModule, build_conv_layer, build_norm_layer
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor, nn


def conv_stack(
    num_convs: int, in_channels: int, out_channels: int, norm_cfg: OptConfigType
) -> nn.Sequential:
    """Builds a sequence of 3x3 convolutions, each with norm and ReLU.

    Args:
        num_convs: Number of convolutions; 0 gives the identity.
        in_channels: Channels of the input.
        out_channels: Channels of every convolution's output.
        norm_cfg: Norm of each, or None.
    """
    return nn.Sequential(
        *(
            ConvModule(
                out_channels if i else in_channels,
                out_channels,
                3,
                padding=1,
                norm_cfg=norm_cfg,
            )
            for i in range(num_convs)
        )
    )


def norm_relu(conv: nn.Module, norm_cfg: ConfigType) -> nn.Sequential:
    """Adds norm and ReLU to a convolution, with the names of mmcv's ``ConvModule``.

    Unlike ``ConvModule`` this keeps the convolution's initial weights and its bias.
    """
    name, norm = build_norm_layer(norm_cfg, conv.out_channels)
    return nn.Sequential(
        OrderedDict([('conv', conv), (name, norm), ('relu', nn.ReLU(inplace=True))])
    )


def with_torch_dcn(conv_cfg: OptConfigType) -> OptConfigType:
    """Replaces mmcv's ``DCNv2`` in a config by ``TorchDCNv2``."""
    if conv_cfg is None or conv_cfg['type'] != 'DCNv2':
        return conv_cfg
    return {**conv_cfg, 'type': 'TorchDCNv2'}


def conv3x3(
    in_channels: int,
    out_channels: int,
    conv_cfg: OptConfigType,
    norm_cfg: ConfigType,
) -> nn.Sequential:
    """Builds a 3x3 convolution with bias, norm and ReLU.

    The norm makes the bias redundant, but official weights have one.
    """
    conv = build_conv_layer(conv_cfg, in_channels, out_channels, 3, padding=1)
    return norm_relu(conv, norm_cfg)


def deconv(
    in_channels: int, out_channels: int, *, factor: int = 2, groups: int = 1
) -> nn.ConvTranspose2d:
    """Builds a transposed convolution that upsamples by ``factor``, an even number.

    (B, in_channels, H, W) becomes (B, out_channels, H * factor, W * factor).
    """
    return nn.ConvTranspose2d(
        in_channels,
        out_channels,
        2 * factor,
        stride=factor,
        padding=factor // 2,
        groups=groups,
        bias=False,
    )


@torch.no_grad()
def fill_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Fills a transposed convolution as the official code does.

    With one input channel per group the layer then interpolates bilinearly. Of a dense
    layer only the first output channel is filled, for every input channel; the others
    keep their weights.
    """
    layer.weight[:, 0] = bilinear_kernel(layer.kernel_size[0])


def bilinear_kernel(size: int) -> Tensor:
    """Returns weights that interpolate bilinearly between the cells of a map.

    Args:
        size: Side of the kernel: twice the upsampling factor.

    Returns:
        (size, size), float32.
    """
    half = (size + 1) // 2
    center = (2 * half - 1 - half % 2) / (2 * half)
    profile = 1 - (torch.arange(size) / half - center).abs()  # (size,)
    return torch.outer(profile, profile)
