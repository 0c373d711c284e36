"""The DLA-34 backbone: trees of residual blocks with aggregation at the roots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from mmdet.models.backbones.resnet import BasicBlock
from mmdet.registry import MODELS
from mmdet.utils import ConfigType, OptMultiConfig
from mmengine.model import BaseModule, PretrainedInit
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdet_centernet.models.dla_imagenet import convert_dla_imagenet

CHANNELS = (16, 32, 64, 128, 256, 512)
TREE_DEPTHS = {2: 1, 3: 2, 4: 2, 5: 1}
STEM_LEVELS = 2


@MODELS.register_module()
class DLANet(BaseModule):
    """DLA-34 of `Deep Layer Aggregation <https://arxiv.org/abs/1707.06484>`_.

    Level ``i`` has stride ``2^i`` and 16, 32, 64, 128, 256 or 512 channels. Unlike the
    official network, this one has no parameters that no output depends on, and no
    levels beyond the last of ``out_indices``.

    ``init_cfg=dict(type='Pretrained', checkpoint='dla34.pth')`` loads ImageNet weights
    with official, timm or mmdet3d names. Every key has to match.

    Args:
        in_channels: Channels of the image.
        out_indices: Levels to return.
        frozen_stages: Last frozen stage. Stage 0 is the stem with levels 0
            and 1, stage 1 is level 2, and so on; -1 freezes none.
        norm_cfg: Norm after every convolution.
        norm_eval: Keep the running statistics of batch norms fixed.
        init_cfg: Initialization; by default that of mmdet's ResNet.

    Raises:
        ValueError: If a level or stage does not exist.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_indices: Sequence[int] = (2, 3, 4, 5),
        frozen_stages: int = -1,
        norm_cfg: ConfigType = dict(type='BN', requires_grad=True),  # noqa: B006
        norm_eval: bool = False,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg or _default_init())
        _check_range('out_indices', out_indices, 0, len(CHANNELS) - 1)
        _check_range('frozen_stages', [frozen_stages], -1, len(CHANNELS) - STEM_LEVELS)
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.stem = _conv(in_channels, CHANNELS[0], 7, norm_cfg)
        self.levels = nn.ModuleList(
            [
                _conv(CHANNELS[0], CHANNELS[0], 3, norm_cfg),
                _conv(CHANNELS[0], CHANNELS[1], 3, norm_cfg, stride=2),
            ]
        )
        for level, depth in TREE_DEPTHS.items():
            channels = CHANNELS[level - 1 : level + 1]
            tree = _Tree(depth, *channels, norm_cfg=norm_cfg, keeps_input=level > 2)
            self.levels.append(tree)
        del self.levels[max(out_indices) + 1 :]
        self._freeze_stages()

    def init_weights(self) -> None:
        """Initializes by ``init_cfg``; every key of a file with weights has to match.

        Raises:
            ValueError: If the file does not hold a DLA-34.
        """
        configs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg]
        pretrained = [c for c in configs if c['type'] in ('Pretrained', PretrainedInit)]
        if pretrained:
            self._load(pretrained[-1]['checkpoint'], pretrained[-1].get('prefix', ''))
        else:
            super().init_weights()

    def _load(self, path: str, prefix: str) -> None:
        """Loads the ImageNet weights with a prefix from a file."""
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
        weights = {
            key.removeprefix(prefix): value
            for key, value in checkpoint.get('state_dict', checkpoint).items()
            if key.startswith(prefix)
        }
        try:
            converted = convert_dla_imagenet(weights)
        except ValueError as error:
            raise ValueError(f'{path}, read for init_cfg of DLANet: {error}') from error
        self.load_state_dict({key: converted[key] for key in self.state_dict()})

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Runs the network.

        Args:
            x: Images (B, in_channels, H, W).

        Returns:
            Map (B, channels, H / 2^i, W / 2^i) of each level i of ``out_indices``.
        """
        x = self.stem(x)
        feats = []
        for level in self.levels:
            x = level(x)
            feats.append(x)
        return tuple(feats[level] for level in self.out_indices)

    def train(self, mode: bool = True) -> DLANet:
        """Sets the mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        self._freeze_stages()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        if self.frozen_stages < 0:
            return
        for module in (self.stem, *self.levels[: STEM_LEVELS + self.frozen_stages]):
            module.eval()
            module.requires_grad_(False)


class _Tree(nn.Module):
    """Two blocks or two trees, aggregated by a root.

    Args:
        depth: 1 for blocks.
        in_channels: Channels of the input.
        out_channels: Channels of the output. If they differ from the input's, the
            output has half its size.
        norm_cfg: Norm after every convolution.
        keeps_input: Whether the root also aggregates the input.
        extra_channels: Channels of additional inputs of the root.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        out_channels: int,
        *,
        norm_cfg: ConfigType,
        keeps_input: bool = False,
        extra_channels: int = 0,
    ) -> None:
        super().__init__()
        self.keeps_input = keeps_input
        self.root = None
        if keeps_input:
            extra_channels += in_channels
        if depth == 1:
            self.tree1 = _block(in_channels, out_channels, norm_cfg)
            self.tree2 = _block(out_channels, out_channels, norm_cfg)
            self.root = _conv(
                2 * out_channels + extra_channels, out_channels, 1, norm_cfg
            )
        else:
            self.tree1 = _Tree(depth - 1, in_channels, out_channels, norm_cfg=norm_cfg)
            self.tree2 = _Tree(
                depth - 1,
                out_channels,
                out_channels,
                norm_cfg=norm_cfg,
                extra_channels=extra_channels + out_channels,
            )

    def forward(self, x: Tensor, extra: Sequence[Tensor] = ()) -> Tensor:
        """Runs the tree; the root also aggregates the extra maps."""
        if self.keeps_input:
            extra = (*extra, F.max_pool2d(x, 2))
        first = self.tree1(x)
        if self.root is None:
            return self.tree2(first, (*extra, first))
        return self.root(torch.cat([self.tree2(first), first, *extra], dim=1))


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    norm_cfg: ConfigType,
    stride: int = 1,
) -> ConvModule:
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        norm_cfg=norm_cfg,
    )


def _block(in_channels: int, out_channels: int, norm_cfg: ConfigType) -> BasicBlock:
    """Builds a residual block; it halves the map if it adds channels."""
    if in_channels == out_channels:
        return BasicBlock(in_channels, out_channels, norm_cfg=norm_cfg)
    project = nn.Sequential(
        nn.MaxPool2d(2),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        build_norm_layer(norm_cfg, out_channels)[1],
    )
    return BasicBlock(
        in_channels, out_channels, stride=2, downsample=project, norm_cfg=norm_cfg
    )


def _default_init() -> list[dict]:
    return [
        dict(type='Kaiming', layer='Conv2d'),
        dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
    ]


def _check_range(name: str, values: Iterable[int], low: int, high: int) -> None:
    for value in values:
        if not low <= value <= high:
            raise ValueError(f'{name} has {value}; choose from {low} to {high}')
