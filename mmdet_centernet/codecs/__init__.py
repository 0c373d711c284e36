"""From objects to what the network learns, and from its outputs back to objects."""

from .box_cells import BoxCells, center_cells, surrounding_cells
from .center_assigner import CenterNetTargetAssigner
from .center_coder import CenterCoder, Detections, decode_centers, scale_matrix
from .joints import JointPoints
from .map_targets import MapTarget, object_map_targets, point_map_target
from .properties import (
    AngleProperty,
    KeypointsProperty,
    OffsetProperty,
    Property,
    ScalarProperty,
    SizeProperty,
    VectorProperty,
)
from .supervision import Supervision, supervise
from .target_maps import paint_targets
from .targets import CenterTargets, Heat, PointTargets, list_heat, paint_heatmap

__all__ = [
    'AngleProperty',
    'BoxCells',
    'CenterCoder',
    'CenterNetTargetAssigner',
    'CenterTargets',
    'Detections',
    'Heat',
    'JointPoints',
    'KeypointsProperty',
    'MapTarget',
    'OffsetProperty',
    'PointTargets',
    'Property',
    'ScalarProperty',
    'SizeProperty',
    'Supervision',
    'VectorProperty',
    'center_cells',
    'decode_centers',
    'list_heat',
    'object_map_targets',
    'paint_heatmap',
    'paint_targets',
    'point_map_target',
    'scale_matrix',
    'supervise',
    'surrounding_cells',
]
