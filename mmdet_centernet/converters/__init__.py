"""Converts weights of the official implementation and of ImageNet classifiers."""

from .dla_imagenet import convert_dla_imagenet
from .official import (
    convert_official_state_dict,
    dead_tensors,
    detect_architecture,
    official_network,
    to_official_state_dict,
)

__all__ = [
    'convert_dla_imagenet',
    'convert_official_state_dict',
    'dead_tensors',
    'detect_architecture',
    'official_network',
    'to_official_state_dict',
]
