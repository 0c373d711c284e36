"""From boxes to what the network learns, and from what it says back to boxes."""

from .box_cells import BoxCells, center_cells, surrounding_cells
from .center_assigner import CenterNetTargetAssigner
from .center_coder import Detections, decode_centers
from .target_maps import paint_targets
from .targets import CenterTargets, Heat, list_heat, paint_heatmap

__all__ = [
    'BoxCells',
    'CenterNetTargetAssigner',
    'CenterTargets',
    'Detections',
    'Heat',
    'center_cells',
    'decode_centers',
    'list_heat',
    'paint_heatmap',
    'paint_targets',
    'surrounding_cells',
]
