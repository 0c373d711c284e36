"""Inference in Python."""

from mmdet_centernet.apis.det_inferencer import CTDetInferencer

__all__ = ['CTDetInferencer']
