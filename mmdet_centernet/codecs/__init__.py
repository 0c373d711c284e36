"""From boxes to what the network learns, and from what it says back to boxes."""

from .center_assigner import CenterNetTargetAssigner
from .center_coder import Detections, decode_centers
from .target_maps import paint_targets
from .targets import CenterTargets, Heat, list_heat, paint_heatmap

__all__ = [
    'CenterNetTargetAssigner',
    'CenterTargets',
    'Detections',
    'Heat',
    'decode_centers',
    'list_heat',
    'paint_heatmap',
    'paint_targets',
]
