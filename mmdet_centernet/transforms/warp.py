"""Warps of an image together with its annotations."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from mmdet_centernet.transforms.property_boxes import carries_values

SEGMENTATION_IGNORED = 255
"""mmdet's label for pixels that are ignored."""

PER_BOX_KEYS = ('gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks', 'gt_instances_ids')

Size = tuple[int, int]


def warp_sample(
    results: dict,
    matrix: np.ndarray,
    size: Size,
    *,
    prepared: np.ndarray,
    upright: np.ndarray | None = None,
) -> None:
    """Warps an image and its annotations.

    Boxes are clipped to the view. Those outside it are removed, with their labels,
    masks and other fields. (The official code clips to the middle of the last cell of
    the output map: the target assigner does that, since it knows the stride.)

    Args:
        results: Sample of a pipeline, changed in place. ``img`` has gone through
            ``prepared`` already, its annotations have not.
        matrix: (3, 3) map from pixels of ``img`` to pixels of the view.
        size: Width and height of the view.
        prepared: (3, 3) map that ``img`` has gone through.
        upright: ``matrix`` without its rotation, which boxes go through; None if it has
            none.

    Raises:
        ValueError: If there is a rotation, and boxes carry no properties.
    """
    results['img'] = cv2.warpAffine(results['img'], matrix[:2], size)
    results['img_shape'] = results['img'].shape[:2]
    whole = matrix @ prepared
    record_homography(results, whole)
    if results.get('gt_masks') is not None:
        results['gt_masks'] = warp_masks(results['gt_masks'], whole, size)
    if results.get('gt_seg_map') is not None:
        results['gt_seg_map'] = cv2.warpAffine(
            results['gt_seg_map'],
            whole[:2],
            size,
            flags=cv2.INTER_NEAREST,
            borderValue=SEGMENTATION_IGNORED,
        )
    if results.get('gt_bboxes') is not None:
        moved = warp_boxes(results['gt_bboxes'], whole, size)
        if upright is not None:
            moved = _keep_upright(moved, results, upright @ prepared, size)
        results['gt_bboxes'] = moved
        drop_outside(results)


def _keep_upright(
    rotated: BaseBoxes, results: dict, matrix: np.ndarray, size: Size
) -> BaseBoxes:
    """Returns boxes without the rotation and properties with it.

    Ignored regions stay the rotated boxes, since they have to cover the image content.

    Args:
        rotated: N boxes after the rotation.
        results: The sample, with boxes before the step.
        matrix: (3, 3) map without the rotation.
        size: Width and height of the view.
    """
    if not carries_values(rotated):
        raise ValueError(
            f'{results.get("img_path", "an image")} was to be rotated, and its boxes '
            'carry no keypoints. Rotated images train JointPoints only: load them by '
            'LoadProperties, or replace rotation_prob by Rotate or RandomAffine of '
            'mmdet, which enclose rotated boxes'
        )
    boxes = warp_boxes(results['gt_bboxes'], matrix, size)
    ignored = results.get('gt_ignore_flags', np.zeros(len(boxes), bool))
    boxes.tensor[ignored] = rotated.tensor[ignored]
    boxes.values = rotated.values
    results['rotated'] = True
    return boxes


def record_homography(results: dict, matrix: np.ndarray) -> None:
    """Appends a map to the recorded homography, in float32 as mmdet does.

    The scale factor of an earlier step is removed: it no longer describes the whole
    map, and a head that does not get the matrix has to raise an error.

    Args:
        results: Sample of a pipeline; ``homography_matrix`` is written.
        matrix: (3, 3) from pixels before to pixels after the step.
    """
    results.pop('scale_factor', None)
    before = results.get('homography_matrix')
    whole = matrix if before is None else matrix @ before
    results['homography_matrix'] = whole.astype(np.float32)


def warp_boxes(boxes: BaseBoxes, matrix: np.ndarray, size: Size) -> BaseBoxes:
    """Maps boxes of any type and clips them to the view.

    Computes in float64, so that centers fall into the same cells as officially.

    Args:
        boxes: N boxes in pixels before the step.
        matrix: (3, 3) from these to pixels of the view.
        size: Width and height of the view.

    Returns:
        N boxes of the same type, in pixels of the view.
    """
    warped = boxes.to(torch.float64)
    warped.project_(matrix)
    warped.clip_(size[::-1])
    return warped.to(boxes.dtype)


def drop_outside(results: dict) -> None:
    """Removes boxes outside the view."""
    shown = results['gt_bboxes'].is_inside(results['img_shape']).numpy()
    if shown.all():
        return
    results['gt_bboxes'] = results['gt_bboxes'][shown]
    for key in PER_BOX_KEYS:
        if results.get(key) is not None:
            results[key] = results[key][shown]


def warp_masks(
    masks: BitmapMasks | PolygonMasks, matrix: np.ndarray, size: Size
) -> BitmapMasks | PolygonMasks:
    """Maps instance masks.

    Args:
        masks: N masks of an image.
        matrix: (3, 3) from its pixels to those of the view.
        size: Width and height of the view.

    Returns:
        N masks of the same kind, of the view's size.
    """
    if isinstance(masks, PolygonMasks):
        polygons = [[_warp_polygon(part, matrix) for part in one] for one in masks]
        return PolygonMasks(polygons, size[1], size[0])
    warped = np.zeros((len(masks), size[1], size[0]), dtype=np.uint8)
    for mask, target in zip(masks, warped, strict=True):
        target[:] = cv2.warpAffine(mask.astype(np.uint8), matrix[:2], size)
    return BitmapMasks(warped, size[1], size[0])


def _warp_polygon(polygon: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Maps one polygon, x, y, x, y, ..."""
    points = polygon.reshape(-1, 2) @ matrix[:2, :2].T + matrix[:2, 2]
    return points.ravel()
