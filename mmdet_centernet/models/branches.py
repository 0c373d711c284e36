"""Builds and initializes the branches of the head."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

REGRESSION_STD = 0.001


@dataclass(frozen=True)
class BranchInit:
    """Initial weights of the branches; all others keep torch's default.

    Attributes:
        heatmap_bias: Bias of the heatmap logits.
        num_small: Number of convolutions in the other branches, counted from the last,
            whose weights start as small normal values.
        num_unbiased: Number of convolutions, counted likewise, whose bias starts at 0.
    """

    heatmap_bias: float
    num_small: int = 0
    num_unbiased: int = 0


OFFICIAL_BIAS = -2.19
BRANCH_INITS = {
    'mmdet': BranchInit(-math.log(9), num_small=2, num_unbiased=2),
    'resnet_dcn': BranchInit(OFFICIAL_BIAS, num_small=2, num_unbiased=2),
    'resnet': BranchInit(OFFICIAL_BIAS, num_small=1, num_unbiased=1),
    'dla': BranchInit(OFFICIAL_BIAS, num_unbiased=2),
    'hourglass': BranchInit(OFFICIAL_BIAS),
}


def build_branches(
    in_channels: int, feat_channels: int, out_channels: int, num_stacks: int
) -> nn.Sequential | nn.ModuleList:
    """Builds the branch of a map for each stack.

    Args:
        in_channels: Channels of the feature map.
        feat_channels: Channels between the two convolutions.
        out_channels: Channels of the map.
        num_stacks: Number of stacks.

    Returns:
        A list with one branch per stack. A single branch is returned without a list and
        keeps mmdet's parameter names.
    """
    branches = [
        nn.Sequential(
            nn.Conv2d(in_channels, feat_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(feat_channels, out_channels, 1),
        )
        for _ in range(num_stacks)
    ]
    return branches[0] if num_stacks == 1 else nn.ModuleList(branches)


def init_heatmap(branch: nn.Module, rule: BranchInit) -> None:
    """Initializes the branch of a heatmap."""
    nn.init.constant_(_from_the_last(branch, 'bias')[0], rule.heatmap_bias)


def init_regression(branch: nn.Module, rule: BranchInit) -> None:
    """Initializes the branch of any other map."""
    for weight in _from_the_last(branch, 'weight')[: rule.num_small]:
        nn.init.normal_(weight, std=REGRESSION_STD)
    for bias in _from_the_last(branch, 'bias')[: rule.num_unbiased]:
        nn.init.zeros_(bias)


def _from_the_last(branch: nn.Module, kind: str) -> list[nn.Parameter]:
    """Returns weights or biases of the convolutions of a branch, the last first."""
    parameters = [p for name, p in branch.named_parameters() if name.endswith(kind)]
    return parameters[::-1]
