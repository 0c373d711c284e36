"""Builds properties from their configs.

Head, dataset, pipeline and metric share these configs, so that a config file declares
properties once.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmdet.registry import TASK_UTILS
from mmdet.utils import ConfigType

from mmdet_centernet.codecs.properties.base import Property

BOX_FIELDS = ('bboxes', 'labels', 'scores', 'masks')
"""Fields of every object."""


def build_properties(configs: Mapping[str, ConfigType]) -> dict[str, Property]:
    """Builds properties.

    Args:
        configs: Configs by the name of the property.

    Returns:
        Properties by name.

    Raises:
        ValueError: If two share a key, or one has the key of a box field.
    """
    properties = {name: TASK_UTILS.build(config) for name, config in configs.items()}
    names: dict[str, str] = {}
    for name, prop in properties.items():
        if prop.key in BOX_FIELDS:
            raise ValueError(
                f'the key of {name} is {prop.key!r}, a field that every object has; '
                'choose another key'
            )
        if prop.key in names:
            raise ValueError(
                f'{names[prop.key]} and {name} both have the key {prop.key!r}; give '
                'each its own'
            )
        names[prop.key] = name
    return properties


def properties_by_key(configs: Mapping[str, ConfigType]) -> dict[str, Property]:
    """Builds the properties of a dataset, pipeline or metric, at least one.

    Args:
        configs: Configs by the name of the property.

    Returns:
        Properties by key, the field of annotations and instances.

    Raises:
        ValueError: If there is none, two share a key, or one has the key of a box
            field.
    """
    if not configs:
        raise ValueError(
            'properties is empty; give those of the head, such as '
            "dict(angle=dict(type='AngleProperty', key='angles'))"
        )
    return {prop.key: prop for prop in build_properties(configs).values()}
