"""Export of detectors to ONNX files, which run without mmdet and torch.

Needs `onnx` and `onnxruntime`: `pip install mmdet_centernet[export]`. `mmdet_centernet`
does not import this package.
"""

from mmdet_centernet.export.onnx import Exported, export_onnx
from mmdet_centernet.export.pipeline import (
    PipelineSteps,
    describe_pipeline,
    find_pipeline,
)
from mmdet_centernet.export.trained_names import Names, trained_names
from mmdet_centernet.former_names import former_names

__all__ = [
    'Exported',
    'Names',
    'PipelineSteps',
    'describe_pipeline',
    'export_onnx',
    'find_pipeline',
    'trained_names',
]

__getattr__ = former_names(__name__, {'View': 'PipelineSteps'})
