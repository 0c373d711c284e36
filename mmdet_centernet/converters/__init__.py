"""Converts weights of the official code and of ImageNet-trained DLA-34."""

from mmdet_centernet.models.dla_imagenet import convert_dla_imagenet

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
