"""Transforms: the official crops and color augmentation, properties of objects."""

from .center_affine import CenterAffine, RandomCenterAffine
from .color import CenterNetColorJitter
from .load_properties import LoadProperties
from .pack_properties import PackPropertyInputs
from .property_boxes import PropertyBoxes

__all__ = [
    'CenterAffine',
    'CenterNetColorJitter',
    'LoadProperties',
    'PackPropertyInputs',
    'PropertyBoxes',
    'RandomCenterAffine',
]
