"""What the ground truth says about properties of objects.

Legend: n objects in an image, N objects in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.utils import InstanceList
from torch import Tensor

from mmdet_centernet.codecs import Property


def read_fields(
    batch_gt_instances: InstanceList,
    properties: Mapping[str, Property],
    max_objects: int | None,
) -> dict[str, Tensor]:
    """Collect the values of properties over a batch.

    Args:
        batch_gt_instances: One field a property, by its key: (n, row_shape...).
        properties: By name.
        max_objects: Look at the first so many objects of an image only.

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
    """The values of one image."""
    if prop.key not in instances:
        raise ValueError(
            f'gt_instances of image {number} of the batch have no {prop.key!r}, which '
            f'{type(prop).__name__} learns. The data need CocoPropertyDataset with the '
            'properties of the head, and a pipeline with LoadProperties after '
            'LoadAnnotations and PackPropertyInputs in place of PackDetInputs'
        )
    values = instances[prop.key]
    expected = (len(instances.labels), *prop.row_shape)
    if tuple(values.shape) != expected:
        raise ValueError(
            f'{prop.key!r} of image {number} of the batch has shape '
            f'{tuple(values.shape)}; {type(prop).__name__} needs {expected}'
        )
    return values


def check_not_resized(metas: Sequence[Mapping[str, Any]]) -> None:
    """Properties do not follow what a data preprocessor does to images.

    Args:
        metas: Meta information of the images, ``gt_img_shape`` by PackPropertyInputs.

    Raises:
        ValueError: If an image was resized after its properties were packed.
    """
    for meta in metas:
        packed = meta.get('gt_img_shape')
        if packed is not None and tuple(packed[:2]) != tuple(meta['img_shape'][:2]):
            raise ValueError(
                f'{meta.get("img_path", "an image")} was packed with {packed} pixels '
                f'and reached the head with {meta["img_shape"]}: properties do not '
                'follow batch_augments of the data preprocessor, such as '
                'BatchSyncRandomResize. Put RandomResize into the pipeline instead'
            )


def without_labels(
    properties: Mapping[str, Property], values: Mapping[str, Tensor]
) -> Tensor | None:
    """Objects without any label of a property that is required.

    Args:
        properties: By name.
        values: (N, row_shape...) by name.

    Returns:
        (N,) bool, or None where no property is required.
    """
    missing = [
        values[name].reshape(-1, math.prod(prop.row_shape)).isnan().all(dim=1)
        for name, prop in properties.items()
        if prop.required
    ]
    return torch.stack(missing).any(dim=0) if missing else None
