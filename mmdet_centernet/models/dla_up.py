"""DLAUp: iterative deep aggregation of DLA maps to stride 4."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdet_centernet.models.conv_blocks import (
    conv3x3,
    deconv,
    fill_bilinear,
    with_torch_dcn,
)


@MODELS.register_module()
class DLAUp(BaseModule):
    """Neck of the official DLA-34 CenterNet (paper, section 5 and figure 6).

    Starting with the coarsest map, each step adds the next finer map and merges all
    maps so far into its size. The last maps of these steps, of all strides but the
    coarsest, are merged once more into the finest.

    Args:
        in_channels: Channels of the backbone's maps, each half the size of the one
            before. The output has channels and size of the first.
        conv_cfg: Config of the 3x3 convolutions; officially ``dict(type='DCNv2')``.
        norm_cfg: Norm after each of them.
        init_cfg: Initialization, applied after the official one.
        torch_dcn: Compute ``DCNv2`` with torch's own functions on a CPU (`TorchDCNv2`),
            where they are faster than mmcv's compiled operator. Other devices and the
            state dict are unaffected.

    Raises:
        ValueError: If there are fewer than two maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256, 512),
        conv_cfg: OptConfigType = None,
        norm_cfg: ConfigType = dict(type='BN'),  # noqa: B006
        init_cfg: OptMultiConfig = None,
        *,
        torch_dcn: bool = True,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if torch_dcn:
            conv_cfg = with_torch_dcn(conv_cfg)
        if len(in_channels) < 2:
            raise ValueError(f'DLAUp merges two or more maps, not {len(in_channels)}')
        *finer, coarsest = in_channels
        self.merges = nn.ModuleList()
        channels = [coarsest]
        for out_channels in reversed(finer):
            channels = [out_channels, *channels]
            factors = [2] * (len(channels) - 1)
            self.merges.append(_Merge(channels, factors, conv_cfg, norm_cfg))
            channels = [out_channels] * len(channels)
        factors = [2**i for i in range(1, len(finer))]
        self.last_merge = _Merge(finer, factors, conv_cfg, norm_cfg)

    def init_weights(self) -> None:
        """Initializes as the official network; ``init_cfg`` takes precedence."""
        for layer in self.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                fill_bilinear(layer)
        super().init_weights()

    def forward(self, x: Sequence[Tensor]) -> tuple[Tensor]:
        """Merges the maps of the backbone.

        Args:
            x: Maps (B, in_channels[i], H / 2^i, W / 2^i).

        Returns:
            One map (B, in_channels[0], H, W).

        Raises:
            ValueError: If a map is not half the size of the one before.
        """
        _check_sizes(x)
        *finer, coarsest = x
        maps = [coarsest]
        last_maps = []
        for feat, merge in zip(reversed(finer), self.merges, strict=True):
            maps = merge([feat, *maps])
            last_maps.append(maps[-1])
        return (self.last_merge(last_maps[::-1])[-1],)


class _Merge(nn.Module):
    """Upsamples maps to the size of the first and merges each into the next."""

    def __init__(
        self,
        in_channels: Sequence[int],
        factors: Sequence[int],
        conv_cfg: OptConfigType,
        norm_cfg: ConfigType,
    ) -> None:
        super().__init__()
        out_channels, *others = in_channels
        self.projects = nn.ModuleList(
            conv3x3(channels, out_channels, conv_cfg, norm_cfg) for channels in others
        )
        self.ups = nn.ModuleList(
            deconv(out_channels, out_channels, factor=factor, groups=out_channels)
            for factor in factors
        )
        self.nodes = nn.ModuleList(
            conv3x3(out_channels, out_channels, conv_cfg, norm_cfg) for _ in others
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Returns the first map unchanged, and each other merged with those before."""
        first, *others = maps
        merged = [first]
        for feat, project, up, node in zip(
            others, self.projects, self.ups, self.nodes, strict=True
        ):
            merged.append(node(up(project(feat)) + merged[-1]))
        return merged


def _check_sizes(maps: Sequence[Tensor]) -> None:
    sizes = [tuple(feat.shape[-2:]) for feat in maps]
    for (height, width), half in pairwise(sizes):
        if (height, width) != (2 * half[0], 2 * half[1]):
            raise ValueError(
                f'the maps of the backbone are {sizes}; each has to be half of the one '
                'before. Pad the input with data_preprocessor.pad_size_divisor=32'
            )
