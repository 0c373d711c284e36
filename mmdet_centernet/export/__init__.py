"""Export of detectors to ONNX files, which run without mmdet and torch.

Needs `onnx` and `onnxruntime`: `pip install mmdet_centernet[export]`. `mmdet_centernet`
does not import this package.
"""

import warnings
from typing import Any

from mmdet_centernet.export.onnx import Exported, export_onnx
from mmdet_centernet.export.pipeline import (
    PipelineSteps,
    describe_pipeline,
    find_pipeline,
)
from mmdet_centernet.export.trained_names import Names, trained_names

__all__ = [
    'Exported',
    'Names',
    'PipelineSteps',
    'describe_pipeline',
    'export_onnx',
    'find_pipeline',
    'trained_names',
]


def __getattr__(name: str) -> Any:
    if name != 'View':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    warnings.warn('View is called PipelineSteps now', DeprecationWarning, 2)
    return PipelineSteps
