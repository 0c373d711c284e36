"""Properties: values that are predicted per object besides class and box.

The head reads a property off a map at the cell of an object's center. Its values lie in
a field of ``gt_instances`` and ``pred_instances``, one row per object; nan marks
unlabeled values.
"""

from .angle import FULL_TURN, AngleProperty
from .base import Property
from .box import OffsetProperty, SizeProperty
from .build import build_properties, properties_by_key
from .keypoints import KeypointsProperty
from .scalar import ScalarProperty
from .vector import VectorProperty

__all__ = [
    'FULL_TURN',
    'AngleProperty',
    'KeypointsProperty',
    'OffsetProperty',
    'Property',
    'ScalarProperty',
    'SizeProperty',
    'VectorProperty',
    'build_properties',
    'properties_by_key',
]
