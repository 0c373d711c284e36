"""Networks in files that run without mmdet and torch.

Needs `onnx` and `onnxruntime`: `pip install mmdet_centernet[export]`. Importing
`mmdet_centernet` does not import this.
"""

from mmdet_centernet.export.class_names import Names, trained_names
from mmdet_centernet.export.onnx import Exported, export_onnx
from mmdet_centernet.export.view import View, describe_pipeline, find_pipeline

__all__ = [
    'Exported',
    'Names',
    'View',
    'describe_pipeline',
    'export_onnx',
    'find_pipeline',
    'trained_names',
]
