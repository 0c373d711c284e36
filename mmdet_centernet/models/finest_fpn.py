"""The finest level of a feature pyramid."""

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
    """mmdet's FPN without the levels that a head of one map would not look at.

    Where objects are small, a head wants the detail of stride 4 beside the context of
    stride 32; a neck of deconvolutions sees all through the latter. Of mmdet's ``FPN``
    the head would use one level, whose values are the same here, while the others cost
    time and have weights without gradients, which stop distributed training.

    Args:
        in_channels: Channels of the backbone's maps, finest first.
        out_channels: Channels of the result.
        smooth_convs: So many 3x3 convolutions with norm and ReLU smooth each merged map
            before it is enlarged. mmdet's FPN has none: what stride 32 says arrives at
            stride 4 in blocks of 8x8 cells, all of which are told the same. Goes well
            with ``upsample_cfg=dict(mode='bilinear')``.
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
        # Of every merged map but the finest, which fpn_convs[0] smooths.
        self.smooth = nn.ModuleList(
            conv_stack(smooth_convs, out_channels, out_channels, norm_cfg)
            for _ in in_channels[2:]
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Merge the maps from coarse to fine.

        Args:
            inputs: Maps (B, in_channels[i], H / 2^i, W / 2^i) of the backbone.

        Returns:
            One map (B, out_channels, H, W).

        Raises:
            ValueError: If the number of maps differs from that of ``in_channels``.
        """
        if len(inputs) != len(self.in_channels):
            raise ValueError(
                f'the backbone gives {len(inputs)} maps, the neck expects '
                f'{len(self.in_channels)}: set out_indices of the backbone or '
                'in_channels of the neck'
            )
        merged, *finer = [
            lateral(feat)
            for lateral, feat in zip(self.lateral_convs, inputs, strict=True)
        ][::-1]
        for level, feat in enumerate(finer):
            if level > 0:  # the coarsest is not merged of several
                merged = self.smooth[level - 1](merged)
            up = F.interpolate(merged, size=feat.shape[2:], **self.upsample_cfg)
            merged = feat + up
        return (self.fpn_convs[0](merged),)
