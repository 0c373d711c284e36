"""The upsampling neck of the official ResNets, from stride 32 to stride 4."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet_centernet.models.conv_blocks import (
    conv3x3,
    deconv,
    fill_bilinear,
    norm_relu,
    with_torch_dcn,
)

DECONV_STD = 0.001


@MODELS.register_module()
class DeconvNeck(BaseModule):
    """Neck of the official ResNet CenterNets (paper, section 5).

    Each stage doubles the size of the map with a transposed convolution. ``conv_cfg``
    adds a 3x3 convolution before each, which then changes the number of channels.
    mmdet's ``CTResNetNeck`` cannot hold official weights: its deformable convolutions
    have no bias, and without DCN it adds plain convolutions.

    Args:
        in_channels: Channels of the last map of the backbone.
        channels: Output channels of each stage.
        conv_cfg: Convolution before each transposed one, ``dict(type='DCNv2')``
            officially.
        norm_cfg: Norm after every convolution.
        init_cfg: Initialization, applied after the official one.
        torch_dcn: Compute ``DCNv2`` with torch's own functions on a CPU (`TorchDCNv2`),
            where they are faster than mmcv's compiled operator. Other devices and the
            state dict are unaffected.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        conv_cfg: OptConfigType = None,
        norm_cfg: ConfigType = dict(type='BN'),  # noqa: B006
        init_cfg: OptMultiConfig = None,
        *,
        torch_dcn: bool = True,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if torch_dcn:
            conv_cfg = with_torch_dcn(conv_cfg)
        self.conv_cfg = conv_cfg
        layers = []
        for out_channels in channels:
            if conv_cfg is not None:
                layers.append(conv3x3(in_channels, out_channels, conv_cfg, norm_cfg))
                in_channels = out_channels
            layers.append(norm_relu(deconv(in_channels, out_channels), norm_cfg))
            in_channels = out_channels
        self.deconv_layers = nn.Sequential(*layers)

    def init_weights(self) -> None:
        """Initializes as the official networks; ``init_cfg`` takes precedence."""
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                if self.conv_cfg is None:
                    nn.init.normal_(layer.weight, std=DECONV_STD)
                else:
                    fill_bilinear(layer)
        super().init_weights()

    def forward(self, x: Sequence[Tensor]) -> tuple[Tensor]:
        """Upsamples the last map.

        Args:
            x: Maps of the backbone; the last is (B, in_channels, H, W).

        Returns:
            One map (B, channels[-1], H * 2^n, W * 2^n) for n stages.
        """
        return (self.deconv_layers(x[-1]),)
