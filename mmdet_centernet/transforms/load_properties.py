"""Attaches the values of properties to the boxes of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.utils import ConfigType
from torch import Tensor

from mmdet_centernet.codecs.properties import Property, properties_by_key
from mmdet_centernet.transforms.property_boxes import PropertyBoxes


@TRANSFORMS.register_module()
class LoadProperties(BaseTransform):
    """Attaches the properties of objects to their boxes.

    Place it directly after ``LoadAnnotations``. As in mmdet, both come before the
    transforms of the image in training, and after them in testing. The values then
    follow the boxes (see :class:`PropertyBoxes`) until ``PackPropertyInputs`` packs
    them.

    Required keys: ``gt_bboxes`` (a ``HorizontalBoxes``), ``instances``, each with
    ``properties`` by key as :class:`CocoPropertyDataset` makes them. Modified:
    ``gt_bboxes``. Added: ``property_keys``.

    Args:
        properties: Configs of the head's properties by name.

    Raises:
        ValueError: If there is none, or two share a key.
    """

    def __init__(self, properties: Mapping[str, ConfigType]) -> None:
        self.properties = properties_by_key(properties)

    def transform(self, results: dict) -> dict:
        """Attaches values to the boxes.

        Raises:
            ValueError: If boxes are missing or differ from those of the instances, or
                an instance lacks a property.
        """
        instances = results.get('instances', [])
        where = results.get('img_path', 'an image')
        boxes = _boxes(results, where)
        _check_rows(boxes, [one['bbox'] for one in instances], where)
        results['gt_bboxes'] = PropertyBoxes(
            boxes,
            values={
                key: _collect(instances, prop, where)
                for key, prop in self.properties.items()
            },
            properties=self.properties,
        )
        results['property_keys'] = list(self.properties)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(properties={list(self.properties)})'


def _boxes(results: dict, where: str) -> Tensor:
    """Returns the (n, 4) boxes of LoadAnnotations."""
    boxes = results.get('gt_bboxes')
    if isinstance(boxes, HorizontalBoxes):
        return boxes.tensor
    kind = 'missing' if boxes is None else f'a {type(boxes).__name__}'
    raise ValueError(
        f'gt_bboxes of {where} is {kind}: put LoadProperties directly after '
        "LoadAnnotations(with_bbox=True) with its default box_type='hbox'"
    )


def _check_rows(boxes: Tensor, annotated: list, where: str) -> None:
    """Checks that boxes equal those of the instances, row by row."""
    expected = HorizontalBoxes(annotated, dtype=torch.float32).tensor
    if boxes.shape != expected.shape or not torch.allclose(
        boxes, expected, rtol=0, atol=0, equal_nan=True
    ):
        raise ValueError(
            f'gt_bboxes of {where} ({len(boxes)} boxes) are no longer those of its '
            f'{len(expected)} annotations: a transform has changed them. Put '
            'LoadProperties directly after LoadAnnotations'
        )


def _collect(instances: list[dict], prop: Property, where: str) -> Tensor:
    """Collects the values of an image's objects, (n, row_shape...) float32."""
    values = np.empty((len(instances), *prop.row_shape), np.float32)
    for row, instance in enumerate(instances):
        value = instance.get('properties', {}).get(prop.key)
        if value is None:
            raise ValueError(
                f'instances of {where} have no property {prop.key!r}: load them with a '
                "CocoPropertyDataset of the same properties, or set instance['properti"
                f"es'][{prop.key!r}] to {prop.row_shape} numbers, nan if unknown"
            )
        if np.shape(value) != prop.row_shape:
            raise ValueError(
                f'{prop.key!r} of an instance of {where} has shape {np.shape(value)}; '
                f'{type(prop).__name__} needs {prop.row_shape}'
            )
        values[row] = value
    return torch.from_numpy(values)
