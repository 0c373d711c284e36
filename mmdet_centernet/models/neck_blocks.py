"""What the upsampling necks are made of."""

from __future__ import annotations

from collections import OrderedDict

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor, nn


def norm_relu(conv: nn.Module, norm_cfg: ConfigType) -> nn.Sequential:
    """A convolution with norm and ReLU, named as in mmcv's ``ConvModule``.

    Unlike there the convolution keeps its own initial weights, and its bias.
    """
    name, norm = build_norm_layer(norm_cfg, conv.out_channels)
    return nn.Sequential(
        OrderedDict([('conv', conv), (name, norm), ('relu', nn.ReLU(inplace=True))])
    )


def with_torch_dcn(conv_cfg: OptConfigType) -> OptConfigType:
    """The same convolution, with `TorchDCNv2` in the place of mmcv's ``DCNv2``."""
    if conv_cfg is None or conv_cfg['type'] != 'DCNv2':
        return conv_cfg
    return {**conv_cfg, 'type': 'TorchDCNv2'}


def conv3x3(
    in_channels: int,
    out_channels: int,
    conv_cfg: OptConfigType,
    norm_cfg: ConfigType,
) -> nn.Sequential:
    """A 3x3 convolution with bias, norm and ReLU.

    The norm takes the bias out again, but official weights have one.
    """
    conv = build_conv_layer(conv_cfg, in_channels, out_channels, 3, padding=1)
    return norm_relu(conv, norm_cfg)


def deconv(
    in_channels: int, out_channels: int, *, factor: int = 2, groups: int = 1
) -> nn.ConvTranspose2d:
    """A transposed convolution that enlarges a map by `factor`, an even number.

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
    """Let a transposed convolution interpolate bilinearly, as the official code does.

    That is so for one input channel a group. Of a dense layer only the first output
    channel is filled, from every input, and the others stay as they are.
    """
    layer.weight[:, 0] = bilinear_kernel(layer.kernel_size[0])


def bilinear_kernel(size: int) -> Tensor:
    """Weights that interpolate bilinearly between the cells of a map.

    Args:
        size: Side of the kernel: twice the factor of the enlargement.

    Returns:
        (size, size), float32.
    """
    half = (size + 1) // 2
    center = (2 * half - 1 - half % 2) / (2 * half)
    profile = 1 - (torch.arange(size) / half - center).abs()
    return torch.outer(profile, profile)
