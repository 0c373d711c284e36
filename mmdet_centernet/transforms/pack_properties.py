"""Takes the values of properties out of boxes and hands them to the model."""

from __future__ import annotations

from typing import Any

from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from mmdet_centernet.transforms.property_boxes import LOST, carries_values


@TRANSFORMS.register_module()
class PackPropertyInputs(PackDetInputs):
    """Packs an image as ``PackDetInputs`` does, with the properties of its objects.

    ``gt_instances`` and ``ignored_instances`` get a field for each property, named by
    its key, one row an object, and boxes of mmdet's own type. Meta information says in
    ``gt_moved`` whether they left the pixels that they were annotated in, in
    ``gt_img_shape`` the shape of the image at this point, and in ``rotated`` whether
    boxes are those of an upright view (see ``RandomCenterAffine``). An image without
    ``gt_bboxes``, as in inference, is packed without.

    Args:
        meta_keys: See ``PackDetInputs``.
    """

    def transform(self, results: dict) -> dict:
        """Pack an image.

        Raises:
            ValueError: If a step of the pipeline has lost the values.
        """
        packed = super().transform(results)
        if 'gt_bboxes' not in results:
            return packed
        sample, boxes = packed['data_samples'], results['gt_bboxes']
        _check_values(boxes, results)
        for instances in (sample.gt_instances, sample.ignored_instances):
            if 'bboxes' in instances:
                _unload(instances)
        sample.set_metainfo(
            dict(
                gt_moved=boxes.moved,
                gt_img_shape=results.get('img_shape'),
                rotated=results.get('rotated', False),
            )
        )
        return packed


def _check_values(boxes: Any, results: dict) -> None:
    """Boxes have to carry values still."""
    if carries_values(boxes):
        return
    text = 'put LoadProperties directly behind LoadAnnotations'
    raise ValueError(
        f'gt_bboxes of {results.get("img_path", "an image")} is a '
        f'{type(boxes).__name__} without properties: '
        f'{LOST if "property_keys" in results else text}'
    )


def _unload(instances: InstanceData) -> None:
    """Make fields of the values that boxes carry, and plain boxes of these."""
    boxes = instances.bboxes
    instances.bboxes = HorizontalBoxes(boxes.tensor, clone=False)
    for key, value in boxes.values.items():
        instances[key] = value
