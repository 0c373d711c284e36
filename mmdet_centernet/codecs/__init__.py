"""Encodes objects as targets of the head and decodes its output maps to detections."""

from mmdet_centernet.former_names import former_names

from .center_assigner import CenterNetTargetAssigner
from .center_coder import CenterCoder, Detections, decode_centers, scale_matrix
from .head_targets import (
    AssignedCells,
    HeadTargets,
    HeatmapTarget,
    RegressionTarget,
    assign_center_cells,
    assign_covered_cells,
    make_head_targets,
    object_regression_targets,
    point_regression_target,
)
from .joints import JointPoints
from .properties import (
    AngleProperty,
    KeypointsProperty,
    OffsetProperty,
    Property,
    ScalarProperty,
    SizeProperty,
    VectorProperty,
)
from .targets import (
    CenterTargets,
    PointTargets,
    SparseHeatmap,
    paint_heatmap,
    paint_targets,
    sparse_heatmap,
)

__all__ = [
    'AngleProperty',
    'AssignedCells',
    'CenterCoder',
    'CenterNetTargetAssigner',
    'CenterTargets',
    'Detections',
    'HeadTargets',
    'HeatmapTarget',
    'JointPoints',
    'KeypointsProperty',
    'OffsetProperty',
    'PointTargets',
    'Property',
    'RegressionTarget',
    'ScalarProperty',
    'SizeProperty',
    'SparseHeatmap',
    'VectorProperty',
    'assign_center_cells',
    'assign_covered_cells',
    'decode_centers',
    'make_head_targets',
    'object_regression_targets',
    'paint_heatmap',
    'paint_targets',
    'point_regression_target',
    'scale_matrix',
    'sparse_heatmap',
]

FORMER_NAMES = {
    'BoxCells': 'AssignedCells',
    'Heat': 'SparseHeatmap',
    'MapTarget': 'RegressionTarget',
    'Supervision': 'HeadTargets',
    'center_cells': 'assign_center_cells',
    'list_heat': 'sparse_heatmap',
    'object_map_targets': 'object_regression_targets',
    'point_map_target': 'point_regression_target',
    'supervise': 'make_head_targets',
    'surrounding_cells': 'assign_covered_cells',
}
__getattr__ = former_names(__name__, FORMER_NAMES)
