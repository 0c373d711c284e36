"""Packs images with the properties of their objects."""

from __future__ import annotations

from typing import Any

from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from mmdet_centernet.transforms.property_boxes import VALUES_LOST, carries_values


@TRANSFORMS.register_module()
class PackPropertyInputs(PackDetInputs):
    """Packs an image as ``PackDetInputs`` does, with the properties of its objects.

    ``gt_instances`` and ``ignored_instances`` get a field per property, named by its
    key, with one row per object, and boxes of mmdet's own type. Meta information gets
    ``gt_moved``, whether boxes differ from the annotated ones, ``gt_img_shape``, the
    shape of the image at this point, and ``rotated``, whether the image is rotated but
    boxes are those of the upright image (see ``RandomCenterAffine``). An image without
    ``gt_bboxes``, as in inference, is packed without properties.

    Args:
        meta_keys: See ``PackDetInputs``.
    """

    def transform(self, results: dict) -> dict:
        """Packs an image.

        Raises:
            ValueError: If a transform has dropped the values.
        """
        packed = super().transform(results)
        if 'gt_bboxes' not in results:
            return packed
        sample, boxes = packed['data_samples'], results['gt_bboxes']
        _check_values(boxes, results)
        for instances in (sample.gt_instances, sample.ignored_instances):
            if 'bboxes' in instances:
                _move_values(instances)
        sample.set_metainfo(
            dict(
                gt_moved=boxes.moved,
                gt_img_shape=results.get('img_shape'),
                rotated=results.get('rotated', False),
            )
        )
        return packed


def _check_values(boxes: Any, results: dict) -> None:
    """Checks that boxes still carry values."""
    if carries_values(boxes):
        return
    text = 'put LoadProperties directly after LoadAnnotations'
    raise ValueError(
        f'gt_bboxes of {results.get("img_path", "an image")} is a '
        f'{type(boxes).__name__} without properties: '
        f'{VALUES_LOST if "property_keys" in results else text}'
    )


def _move_values(instances: InstanceData) -> None:
    """Moves values from boxes to fields and converts the boxes to plain ones."""
    boxes = instances.bboxes
    instances.bboxes = HorizontalBoxes(boxes.tensor, clone=False)
    for key, value in boxes.values.items():
        instances[key] = value
