"""Builds the components of the head from its config and checks test settings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from mmdet.models.losses import GaussianFocalLoss
from mmdet.models.task_modules.assigners import BaseAssigner
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.utils import ConfigType, OptConfigType
from torch import nn

from mmdet_centernet.arguments import is_number
from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    JointPoints,
    KeypointsProperty,
    Property,
)
from mmdet_centernet.codecs.properties import build_properties
from mmdet_centernet.models.gaussian_focal_loss import GaussianFocalLossWithLogits

TEST_DEFAULTS: dict[str, Any] = dict(
    topk=100,
    local_maximum_kernel=3,
    score_thr=0.0,
    nms=None,
    max_per_img=100,
    clip_border=False,
)


def build_heatmap_loss(cfg: ConfigType) -> nn.Module:
    """Builds the heatmap loss; replaces mmdet's by its counterpart on logits."""
    loss = MODELS.build(cfg)
    if type(loss) is not GaussianFocalLoss:
        return loss
    return GaussianFocalLossWithLogits(
        alpha=loss.alpha,
        gamma=loss.gamma,
        reduction=loss.reduction,
        loss_weight=loss.loss_weight,
        pos_weight=loss.pos_weight,
        neg_weight=loss.neg_weight,
    )


def build_assigner(cfg: OptConfigType) -> CenterNetTargetAssigner:
    """Builds the assigner; replaces anchor assigners left from another head."""
    default = dict(type='CenterNetTargetAssigner')
    if cfg is None:
        return TASK_UTILS.build(default)
    kind = cfg['type']
    kind = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if isinstance(kind, type) and issubclass(kind, BaseAssigner):
        warnings.warn(
            f'train_cfg.assigner is a {kind.__name__}, which assigns boxes to anchors; '
            'CTDetHead uses its default instead. Set train_cfg=dict(assigner=dict('
            "type='CenterNetTargetAssigner')) to configure it.",
            stacklevel=2,
        )
        cfg = default
    return TASK_UTILS.build(cfg)


RESERVED_NAMES = {'heatmap', 'wh', 'offset', 'bbox'}

Configs = Mapping[str, ConfigType] | None


def build_head_properties(cfgs: Configs) -> dict[str, Property]:
    """Builds the properties that a head predicts besides boxes.

    Args:
        cfgs: Configs by name.

    Returns:
        Properties by name.

    Raises:
        ValueError: If a name or a key is already used.
    """
    properties = build_properties(cfgs or {})
    for name in properties.keys() & RESERVED_NAMES:
        raise ValueError(
            f'a property may not be called {name!r}: the head uses this name'
        )
    return properties


def build_point_sets(
    cfgs: Configs, properties: Mapping[str, Property]
) -> dict[str, JointPoints]:
    """Builds the point sets, which have heatmaps of their own.

    Args:
        cfgs: Configs by name.
        properties: Properties of the head.

    Returns:
        Point sets by name.

    Raises:
        ValueError: If one belongs to keypoints that the head does not predict.
    """
    point_sets = {name: TASK_UTILS.build(cfg) for name, cfg in (cfgs or {}).items()}
    for name, points in point_sets.items():
        if not isinstance(properties.get(points.keypoints), KeypointsProperty):
            raise ValueError(
                f'point_sets.{name}.keypoints is {points.keypoints!r}; it has to name '
                f'a KeypointsProperty among the properties {list(properties)}'
            )
    return point_sets


def read_test_cfg(cfg: OptConfigType) -> dict[str, Any]:
    """Fills in defaults and checks the values.

    Args:
        cfg: ``test_cfg`` of the head; unknown keys cause a warning.

    Returns:
        A value for each of ``TEST_DEFAULTS``.

    Raises:
        ValueError: If a value is out of range.
    """
    cfg = dict(cfg or {})
    unknown = sorted(cfg.keys() - TEST_DEFAULTS.keys())
    if unknown:
        warnings.warn(
            f'test_cfg of CTDetHead: unknown keys {", ".join(unknown)}; allowed: '
            f'{", ".join(TEST_DEFAULTS)}',
            stacklevel=2,
        )
    settings = {name: cfg.get(name, default) for name, default in TEST_DEFAULTS.items()}
    topk, kernel = settings['topk'], settings['local_maximum_kernel']
    if not isinstance(topk, Integral) or topk < 1:
        raise ValueError(
            f'test_cfg.topk is {topk!r}; it has to be a whole number, 1 or more'
        )
    if not isinstance(kernel, Integral) or kernel < 1 or kernel % 2 == 0:
        raise ValueError(
            f'test_cfg.local_maximum_kernel is {kernel!r}; it has to be odd '
            'and positive'
        )
    for name in ('score_thr', 'max_per_img'):
        if not is_number(settings[name]):
            raise ValueError(f'test_cfg.{name} is {settings[name]!r}; give a number')
    return settings
