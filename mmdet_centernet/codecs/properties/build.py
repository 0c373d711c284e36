"""From the configs of properties to properties.

Head, dataset, pipeline and metric take the same configs, so that a config file declares
them once.
"""

from __future__ import annotations

from collections.abc import Mapping

from mmdet.registry import TASK_UTILS
from mmdet.utils import ConfigType

from mmdet_centernet.codecs.properties.base import Property

BOX_FIELDS = ('bboxes', 'labels', 'scores', 'masks')
"""Fields that objects have without properties."""


def build_properties(configs: Mapping[str, ConfigType]) -> dict[str, Property]:
    """Build properties.

    Args:
        configs: Config of each by its name.

    Returns:
        Properties by name.

    Raises:
        ValueError: If two have one key, or one has that of a box.
    """
    properties = {name: TASK_UTILS.build(config) for name, config in configs.items()}
    names: dict[str, str] = {}
    for name, prop in properties.items():
        if prop.key in BOX_FIELDS:
            raise ValueError(
                f'the key of {name} is {prop.key!r}, which boxes have already; choose '
                'another one'
            )
        if prop.key in names:
            raise ValueError(
                f'{names[prop.key]} and {name} both have the key {prop.key!r}; give '
                'each its own'
            )
        names[prop.key] = name
    return properties


def properties_by_key(configs: Mapping[str, ConfigType]) -> dict[str, Property]:
    """Build the properties of a dataset or pipeline, which has at least one.

    Args:
        configs: Config of each by its name.

    Returns:
        Properties by the field of annotations and instances.

    Raises:
        ValueError: If there is none, two have one key, or one has that of a box.
    """
    if not configs:
        raise ValueError(
            'properties is empty; give those of the head, such as '
            "dict(angle=dict(type='AngleProperty', key='angles'))"
        )
    return {prop.key: prop for prop in build_properties(configs).values()}
