"""Steps of a data pipeline: the official views of an image, and its colours."""

from .center_affine import CenterAffine, RandomCenterAffine
from .color import CenterNetColorJitter

__all__ = ['CenterAffine', 'CenterNetColorJitter', 'RandomCenterAffine']
