"""3x3 convolutions one after the other."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from mmdet.utils import OptConfigType
from torch import nn


def conv_stack(
    num_convs: int, in_channels: int, out_channels: int, norm_cfg: OptConfigType
) -> nn.Sequential:
    """So many 3x3 convolutions, each with norm and ReLU.

    Args:
        num_convs: How many; none changes nothing.
        in_channels: Channels of what goes in.
        out_channels: Channels of every result.
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
