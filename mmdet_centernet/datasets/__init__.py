"""Datasets that mmdet lacks: objects with properties."""

from .coco_property_dataset import CocoPropertyDataset

__all__ = ['CocoPropertyDataset']
