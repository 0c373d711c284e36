"""A dataset whose objects have properties, which mmdet lacks."""

from .coco_property_dataset import CocoPropertyDataset

__all__ = ['CocoPropertyDataset']
