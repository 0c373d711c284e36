"""Maps detections to image pixels; score threshold, clipping and NMS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.utils import ConfigType, InstanceList
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet_centernet.codecs import Detections, Property
from mmdet_centernet.functional.affine import (
    check_way_back,
    image_matrix,
    map_boxes,
    unpad_matrix,
)


def to_instances(
    detections: Detections,
    values: Mapping[str, Tensor],
    properties: Mapping[str, Property],
    metas: Sequence[Mapping[str, Any]],
    *,
    rescale: bool,
) -> InstanceList:
    """Transforms the detections of a batch to pixels of their images.

    Args:
        detections: K detections of B images, in pixels of the network input.
        values: (B, K, row_shape...) values of their properties, by key.
        properties: The properties, by key.
        metas: Meta information of the images.
        rescale: Transform to the original image; else only remove the border.

    Returns:
        For each image ``bboxes`` (K, 4), ``scores`` (K,), ``labels`` (K,) and the
        properties by their keys.

    Raises:
        ValueError: If the metas lack the transform to the original image.
    """
    if rescale:
        for meta in metas:
            check_way_back(meta)
    to_image = image_matrix if rescale else unpad_matrix
    matrices = torch.tensor([to_image(meta).tolist() for meta in metas])  # (B, 3, 3)
    matrices = matrices.to(detections.boxes.device, non_blocking=True)
    boxes = map_boxes(detections.boxes, matrices).float()  # (B, K, 4)
    fields = dict(
        bboxes=boxes,
        scores=detections.scores,
        labels=detections.labels,
        **{
            key: properties[key].transform(rows, matrices.double())
            for key, rows in values.items()
        },
    )
    return [
        InstanceData(**{name: rows[i] for name, rows in fields.items()})
        for i in range(len(metas))
    ]


def refine(
    instances: InstanceData,
    meta: Mapping[str, Any],
    settings: Mapping[str, Any],
    rescale: bool,
    with_nms: bool,
) -> InstanceData:
    """Clips, thresholds and suppresses the detections of one image.

    Args:
        instances: Detections, best first.
        meta: Meta information of the image.
        settings: Test settings of the head.
        rescale: Boxes are in pixels of the original image.
        with_nms: Run the NMS of the settings, if configured.

    Returns:
        The remaining detections, best first.
    """
    if settings['clip_border']:
        height, width = _image_extent(meta, rescale)
        boxes = instances.bboxes
        boxes[:, 0::2] = boxes[:, 0::2].clamp(0, width)
        boxes[:, 1::2] = boxes[:, 1::2].clamp(0, height)
    if settings['score_thr'] > 0:
        instances = instances[instances.scores > settings['score_thr']]
    if with_nms and settings['nms'] is not None:
        instances = _suppress(instances, settings['nms'])
        instances = _first(instances, settings['max_per_img'])
    return instances


def _image_extent(meta: Mapping[str, Any], rescale: bool) -> tuple[int, int]:
    """Returns height and width of the image that boxes refer to."""
    if rescale:
        return meta['ori_shape'][:2]
    if 'border' in meta:
        top, bottom, left, right = meta['border']
        return bottom - top, right - left
    return meta['img_shape'][:2]


def merge_scales(
    per_scale: Sequence[InstanceData], nms: ConfigType, max_per_img: int
) -> InstanceData:
    """Merges the detections of one image at several scales.

    Args:
        per_scale: Detections of each scale, best first, in pixels of the same image.
        nms: Config of an mmcv NMS; unused for a single scale.
        max_per_img: Number of detections to keep; all if not positive.

    Returns:
        The merged detections, best first.
    """
    instances = InstanceData.cat(list(per_scale))
    if len(per_scale) > 1:
        instances = _suppress(instances, nms)
    return _first(instances, max_per_img)


def _suppress(instances: InstanceData, nms: ConfigType) -> InstanceData:
    """Runs NMS for each class on the CPU; returns detections best first.

    mmcv's ``batched_nms`` shifts the boxes of each class to process all at once. Boxes
    that reach beyond the image then overlap those of the next class, and large
    coordinates lose precision. The CPU suffices for few boxes, and mmcv's soft NMS runs
    only there.
    """
    boxes, scores, labels = (
        values.cpu()
        for values in (instances.bboxes, instances.scores, instances.labels)
    )
    groups = torch.zeros_like(labels) if nms.get('class_agnostic', False) else labels
    kept, kept_scores = [labels[:0]], [scores[:0]]
    for group in groups.unique():
        members = groups.eq(group).nonzero().squeeze(1)
        scored, keep = batched_nms(
            boxes[members],
            scores[members],
            labels[members],
            dict(nms, class_agnostic=True),
        )
        kept.append(members[keep])
        kept_scores.append(scored[:, 4])  # soft NMS lowers them
    best_scores, order = torch.cat(kept_scores).sort(descending=True, stable=True)
    device = instances.bboxes.device
    instances = instances[torch.cat(kept)[order].to(device)]
    instances.scores = best_scores.to(device)
    return instances


def _first(instances: InstanceData, max_num: int) -> InstanceData:
    return instances[:max_num] if max_num > 0 else instances
