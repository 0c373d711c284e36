"""Reads boxes and properties of objects from the ground truth of a batch.

Legend: B images, n objects in an image, N objects in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import InstanceList, OptInstanceList
from torch import Tensor

from mmdet_centernet.codecs import CenterNetTargetAssigner, CenterTargets, Property


def assign_instances(
    assigner: CenterNetTargetAssigner,
    batch_gt_instances: InstanceList,
    batch_gt_instances_ignore: OptInstanceList,
    shape: tuple[int, int, int, int],
    stride: int,
) -> CenterTargets:
    """Makes the targets of a batch from the instances of mmdet.

    Args:
        assigner: The target assigner.
        batch_gt_instances: ``bboxes`` in input pixels and ``labels`` of B images.
        batch_gt_instances_ignore: ``bboxes`` of regions that are not background.
        shape: B, C, H, W of the heatmap.
        stride: Pixels per cell.
    """
    boxes = [get_box_tensor(instances.bboxes) for instances in batch_gt_instances]
    ignored = batch_gt_instances_ignore or [None] * len(boxes)
    return assigner.assign(
        boxes,
        [instances.labels for instances in batch_gt_instances],
        shape,
        stride=stride,
        ignored_boxes=[
            image_boxes[:0] if instances is None else get_box_tensor(instances.bboxes)
            for instances, image_boxes in zip(ignored, boxes, strict=True)
        ],
    )


def read_fields(
    batch_gt_instances: InstanceList,
    properties: Mapping[str, Property],
    max_objects: int | None,
) -> dict[str, Tensor]:
    """Collects the values of properties over a batch.

    Args:
        batch_gt_instances: One field per property, by its key: (n, row_shape...).
        properties: By name.
        max_objects: Number of objects per image to read; None for all.

    Returns:
        (N, row_shape...) float32 by name.

    Raises:
        ValueError: If a field is missing or has another shape.
    """
    return {
        name: torch.cat(
            [
                _field(instances, prop, number)[:max_objects].float()
                for number, instances in enumerate(batch_gt_instances)
            ]
        )
        for name, prop in properties.items()
    }


def _field(instances: InstanceList, prop: Property, number: int) -> Tensor:
    """Returns the values of one image."""
    if prop.key not in instances:
        raise ValueError(
            f'gt_instances of image {number} of the batch have no {prop.key!r}, the '
            f'key of a {type(prop).__name__}. Use CocoPropertyDataset with the '
            'properties of the head, and a pipeline with LoadProperties after '
            'LoadAnnotations and PackPropertyInputs instead of PackDetInputs'
        )
    values = instances[prop.key]
    expected = (len(instances.labels), *prop.row_shape)
    if tuple(values.shape) != expected:
        raise ValueError(
            f'{prop.key!r} of image {number} of the batch has shape '
            f'{tuple(values.shape)}; {type(prop).__name__} needs {expected}'
        )
    return values


def without_labels(
    properties: Mapping[str, Property], values: Mapping[str, Tensor]
) -> Tensor | None:
    """Finds objects that lack every label of a required property.

    Args:
        properties: By name.
        values: (N, row_shape...) by name.

    Returns:
        (N,) bool, or None if no property is required.
    """
    missing = [
        values[name].reshape(-1, math.prod(prop.row_shape)).isnan().all(dim=1)  # (N,)
        for name, prop in properties.items()
        if prop.required
    ]
    return torch.stack(missing).any(dim=0) if missing else None


def rotated_images(metas: Sequence[Mapping[str, Any]], like: Tensor) -> Tensor | None:
    """Finds images whose boxes are unusable, since a transform rotated the image.

    Args:
        metas: Meta information of the images, ``rotated`` by PackPropertyInputs.
        like: A bool tensor on the device of the result.

    Returns:
        (B,) bool, or None if no image is rotated.
    """
    rotated = [meta.get('rotated', False) for meta in metas]
    if not any(rotated):
        return None
    # Filled on the device: copying a list from the host would sync.
    return torch.cat([like.new_full((1,), one) for one in rotated])


def image_names(metas: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the paths of images, or their numbers where there is no path."""
    return [str(meta.get('img_path', f'image {i}')) for i, meta in enumerate(metas)]
