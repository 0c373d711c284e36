"""From stride 32 back to stride 4, as the official ResNets do it."""

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

    Each stage doubles the map by a transposed convolution. With ``conv_cfg`` a 3x3
    convolution goes before each and changes the channels; without, the transposed
    convolution does. mmdet's ``CTResNetNeck`` has no room for official weights: its
    deformable convolutions have no bias, and plain ones stand in where DCN is off.

    Args:
        in_channels: Channels of the last map of the backbone.
        channels: Channels of each stage.
        conv_cfg: Convolution before each transposed one, ``dict(type='DCNv2')``
            officially.
        norm_cfg: Norm after every convolution.
        init_cfg: Initialization, applied after the official one.
        torch_dcn: Whether ``DCNv2`` is computed by torch's own functions on a CPU,
            faster there than mmcv's compiled operator (`TorchDCNv2`). On other devices
            and in the state dict nothing changes.
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
        """Initialize as the official networks; what ``init_cfg`` asks for wins."""
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                if self.conv_cfg is None:
                    nn.init.normal_(layer.weight, std=DECONV_STD)
                else:
                    fill_bilinear(layer)
        super().init_weights()

    def forward(self, x: Sequence[Tensor]) -> tuple[Tensor]:
        """Enlarge the last map.

        Args:
            x: Maps of the backbone, of which the last is (B, in_channels, H, W).

        Returns:
            One map (B, channels[-1], H * 2^n, W * 2^n) for n stages.
        """
        return (self.deconv_layers(x[-1]),)
