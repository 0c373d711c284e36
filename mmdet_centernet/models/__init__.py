"""Modules that mmdet builds from a config."""

from .ctdet_head import CTDetHead
from .gaussian_focal_loss import GaussianFocalLossWithLogits

__all__ = ['CTDetHead', 'GaussianFocalLossWithLogits']
