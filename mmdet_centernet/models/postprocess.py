"""Which detections are handed out, and in which pixels."""

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
    """Bring the objects of a batch into the pixels that the caller wants.

    Args:
        detections: K detections of B images, in pixels of the network input.
        values: (B, K, row_shape...) values of their properties, by key.
        properties: The properties, by key.
        metas: Meta information of the images.
        rescale: Go back to the original image; else only take the border off.

    Returns:
        For each image ``bboxes`` (K, 4), ``scores`` (K,), ``labels`` (K,) and the
        properties by their keys.

    Raises:
        ValueError: If the metas do not tell the way back to the original image.
    """
    if rescale:
        for meta in metas:
            check_way_back(meta)
    to_image = image_matrix if rescale else unpad_matrix
    matrices = torch.tensor([to_image(meta).tolist() for meta in metas])
    matrices = matrices.to(detections.boxes.device, non_blocking=True)
    boxes = map_boxes(detections.boxes, matrices).float()
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
    found: InstanceData,
    meta: Mapping[str, Any],
    settings: Mapping[str, Any],
    rescale: bool,
    with_nms: bool,
) -> InstanceData:
    """Clip, threshold and suppress the detections of one image.

    Args:
        found: Detections, best first.
        meta: Meta information of the image.
        settings: Test settings of the head.
        rescale: Boxes are in pixels of the original image.
        with_nms: Run the NMS of the settings, where they name one.

    Returns:
        What is left, best first.
    """
    if settings['clip_border']:
        height, width = _image_extent(meta, rescale)
        found.bboxes[:, 0::2] = found.bboxes[:, 0::2].clamp(0, width)
        found.bboxes[:, 1::2] = found.bboxes[:, 1::2].clamp(0, height)
    if settings['score_thr'] > 0:
        found = found[found.scores > settings['score_thr']]
    if with_nms and settings['nms'] is not None:
        found = _first(_suppress(found, settings['nms']), settings['max_per_img'])
    return found


def _image_extent(meta: Mapping[str, Any], rescale: bool) -> tuple[int, int]:
    """Height and width of the image that boxes are given in."""
    if rescale:
        return meta['ori_shape'][:2]
    if 'border' in meta:
        top, bottom, left, right = meta['border']
        return bottom - top, right - left
    return meta['img_shape'][:2]


def merge_scales(
    per_scale: Sequence[InstanceData], nms: ConfigType, max_per_img: int
) -> InstanceData:
    """Merge what was found in one image at several scales.

    Args:
        per_scale: Detections of each scale, best first, in pixels of the same image.
        nms: Config of an mmcv NMS; not run on a single scale.
        max_per_img: How many are kept; all if not positive.

    Returns:
        What is left, best first.
    """
    found = InstanceData.cat(list(per_scale))
    if len(per_scale) > 1:
        found = _suppress(found, nms)
    return _first(found, max_per_img)


def _suppress(found: InstanceData, nms: ConfigType) -> InstanceData:
    """Class-wise NMS, best first.

    Class by class: mmcv's way to do all at once, moving classes apart, lets boxes that
    reach beyond the image meet those of the next class, and costs digits. On the CPU:
    the boxes are few, and mmcv's soft NMS runs there anyway.
    """
    boxes, scores, labels = found.bboxes.cpu(), found.scores.cpu(), found.labels.cpu()
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
    found = found[torch.cat(kept)[order].to(found.bboxes.device)]
    found.scores = best_scores.to(found.bboxes.device)
    return found


def _first(found: InstanceData, max_num: int) -> InstanceData:
    return found[:max_num] if max_num > 0 else found
