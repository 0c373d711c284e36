"""A feature pyramid that computes only its finest level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from mmdet.utils import OptConfigType
from torch import Tensor, nn

from mmdet_centernet.arguments import check_whole
from mmdet_centernet.models.conv_blocks import conv_stack


@MODELS.register_module()
class FinestFPN(FPN):
    """mmdet's FPN reduced to its finest level, the only one that the head uses.

    Small objects need the detail of stride 4 and the context of stride 32; a neck of
    transposed convolutions uses only the latter. The finest level equals that of
    mmdet's ``FPN``. The other levels would cost time, and their weights would get no
    gradients, which stops distributed training.

    Args:
        in_channels: Channels of the backbone's maps, finest first.
        out_channels: Channels of the output.
        smooth_convs: Number of 3x3 convolutions with norm and ReLU that smooth each
            merged map before upsampling. mmdet's FPN has none: features of stride 32
            then reach stride 4 as constant blocks of 8x8 cells. Works best with
            ``upsample_cfg=dict(mode='bilinear')``.
        kwargs: ``norm_cfg``, ``act_cfg``, ``conv_cfg``, ``no_norm_on_lateral``,
            ``upsample_cfg`` and ``init_cfg`` of mmdet's ``FPN``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        in_channels: list[int],
        out_channels: int,
        *,
        smooth_convs: int = 0,
        norm_cfg: OptConfigType = None,
        **kwargs: Any,
    ) -> None:
        if smooth_convs != 0:
            check_whole(smooth_convs=smooth_convs)
        super().__init__(
            in_channels, out_channels, len(in_channels), norm_cfg=norm_cfg, **kwargs
        )
        del self.fpn_convs[1:]
        # For every merged map but the finest, which fpn_convs[0] smooths.
        self.smooth = nn.ModuleList(
            conv_stack(smooth_convs, out_channels, out_channels, norm_cfg)
            for _ in in_channels[2:]
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Merges the maps from coarse to fine.

        Args:
            inputs: Maps (B, in_channels[i], H / 2^i, W / 2^i) of the backbone.

        Returns:
            One map (B, out_channels, H, W).

        Raises:
            ValueError: If the number of maps differs from that of ``in_channels``.
        """
        if len(inputs) != len(self.in_channels):
            raise ValueError(
                f'the backbone outputs {len(inputs)} maps, the neck expects '
                f'{len(self.in_channels)}: set out_indices of the backbone or '
                'in_channels of the neck'
            )
        merged, *finer = [
            lateral(feat)
            for lateral, feat in zip(self.lateral_convs, inputs, strict=True)
        ][::-1]
        for level, feat in enumerate(finer):
            if level > 0:  # the coarsest map is not merged
                merged = self.smooth[level - 1](merged)
            up = F.interpolate(merged, size=feat.shape[2:], **self.upsample_cfg)
            merged = feat + up
        return (self.fpn_convs[0](merged),)
