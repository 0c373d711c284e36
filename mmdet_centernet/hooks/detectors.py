"""Which detectors of a model have a CenterNet head?"""

from __future__ import annotations

from mmdet.models.detectors import BaseDetector
from torch import nn

from mmdet_centernet.models import CTDetHead


def find_detectors(model: nn.Module) -> list[BaseDetector]:
    """The detectors with a CenterNet head in a model, however deep they are wrapped.

    Args:
        model: A detector, or a model that wraps some.

    Raises:
        ValueError: If there is none.
    """
    found = [
        module
        for module in model.modules()
        if isinstance(getattr(module, 'bbox_head', None), CTDetHead)
    ]
    if not found:
        raise ValueError(
            f'{type(model).__name__} has no bbox_head of type CTDetHead whose heatmap '
            'could be drawn'
        )
    return found
