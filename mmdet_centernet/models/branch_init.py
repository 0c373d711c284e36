"""How the branches of the head start."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

REGRESSION_STD = 0.001


@dataclass(frozen=True)
class BranchInit:
    """Initial weights of the branches; what is not named keeps torch's default.

    Attributes:
        heatmap_bias: Logit of the heatmap before any training.
        num_small: So many convolutions of the other branches, counted from the last,
            start with small normal weights.
        num_unbiased: So many, counted likewise, start with zero bias.
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


def init_heatmap(branch: nn.Module, rule: BranchInit) -> None:
    """Give the branch of a heatmap its initial weights."""
    nn.init.constant_(_from_the_last(branch, 'bias')[0], rule.heatmap_bias)


def init_regression(branch: nn.Module, rule: BranchInit) -> None:
    """Give the branch of any other map its initial weights."""
    for weight in _from_the_last(branch, 'weight')[: rule.num_small]:
        nn.init.normal_(weight, std=REGRESSION_STD)
    for bias in _from_the_last(branch, 'bias')[: rule.num_unbiased]:
        nn.init.zeros_(bias)


def _from_the_last(branch: nn.Module, kind: str) -> list[nn.Parameter]:
    """Weights or biases of the convolutions of a branch, the last one first."""
    parameters = [p for name, p in branch.named_parameters() if name.endswith(kind)]
    return parameters[::-1]
