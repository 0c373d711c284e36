"""Metrics that mmdet lacks: how well properties and keypoints of objects fit."""

from .coco_keypoint_metric import CocoKeypointMetric
from .property_metric import CTPropertyMetric

__all__ = ['CTPropertyMetric', 'CocoKeypointMetric']
