"""Finds the detectors with a ``CTDetHead`` in a model or its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from torch import nn

from mmdet_centernet.config_types import find_class
from mmdet_centernet.models.ctdet_head import CTDetHead


def find_detectors(model: nn.Module) -> list[BaseDetector]:
    """Finds all detectors with a ``CTDetHead``, at any depth of wrapping.

    Args:
        model: A detector, or a model that wraps detectors.

    Raises:
        ValueError: If there is none.
    """
    found = [
        module
        for module in model.modules()
        if isinstance(getattr(module, 'bbox_head', None), CTDetHead)
    ]
    if not found:
        raise ValueError(f'{type(model).__name__} has no bbox_head of type CTDetHead')
    return found


def find_detector_cfg(model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Finds the config of the first detector with a ``CTDetHead``.

    Args:
        model: Config of a detector, or of a model that wraps it, nested in dicts.

    Returns:
        The config; None if there is none.
    """
    head = model.get('bbox_head')
    if isinstance(head, Mapping):
        cls = find_class(MODELS, head)
        if cls is not None and issubclass(cls, CTDetHead):
            return model
    inner = (find_detector_cfg(v) for v in model.values() if isinstance(v, Mapping))
    return next((found for found in inner if found is not None), None)
