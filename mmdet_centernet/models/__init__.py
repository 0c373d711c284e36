"""Modules that mmdet builds from a config."""

from .ctdet_head import CTDetHead
from .ctdet_tta import CTDetTTAModel
from .gaussian_focal_loss import GaussianFocalLossWithLogits

__all__ = ['CTDetHead', 'CTDetTTAModel', 'GaussianFocalLossWithLogits']
