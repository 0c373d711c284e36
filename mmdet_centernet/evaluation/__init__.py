"""Metrics of properties and keypoints, which mmdet lacks."""

from .coco_keypoint_metric import CocoKeypointMetric
from .property_metric import CTPropertyMetric

__all__ = ['CTPropertyMetric', 'CocoKeypointMetric']
