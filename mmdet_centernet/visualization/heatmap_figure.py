"""Collects what the heatmap visualization shows of one image.

Legend: D channels, H x W cells, N boxes. Boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import mmcv
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.fileio import get
from mmengine.model import ImgDataPreprocessor
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet_centernet.codecs import CenterTargets, Property, paint_heatmap
from mmdet_centernet.functional.affine import image_matrix, map_boxes
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.visualization.image_space import (
    max_over_classes,
    recover_image,
    warp_heatmap,
)

HeadMaps = Mapping[str, Tensor]
"""(1, D, H, W) maps of the last stack of the head, by name."""
HeatmapByName = Mapping[str, np.ndarray]
"""(height, width) heatmaps of point sets such as joints, by name."""
EMPTY: Mapping = MappingProxyType({})


class HeatmapFigure(NamedTuple):
    """An image with predictions and targets, all in the pixels of the image.

    Attributes:
        image: (height, width, 3) uint8, RGB.
        heatmap: (height, width) predicted probability of the most likely class.
        detections: ``bboxes``, ``labels``, ``scores`` and properties.
        target: (height, width) target of the heatmap; None without ground truth.
        ground_truth: ``bboxes``, ``labels`` and properties; None if unknown.
        properties: Properties of objects, by name.
        point_heatmaps: Predicted heatmaps of other point sets than centers.
        point_targets: Their targets; empty without ground truth.
    """

    image: np.ndarray
    heatmap: np.ndarray
    detections: InstanceData
    target: np.ndarray | None
    ground_truth: InstanceData | None
    properties: Mapping[str, Property] = EMPTY
    point_heatmaps: HeatmapByName = EMPTY
    point_targets: HeatmapByName = EMPTY


def figure_of_input(
    head: CTDetHead,
    pixels: Tensor,
    sample: DetDataSample,
    maps: HeadMaps,
    preprocessor: ImgDataPreprocessor,
) -> HeatmapFigure:
    """Collects the figure of a network input, augmented and padded.

    Args:
        head: Assigns targets and decodes the maps.
        pixels: (channels, height, width) network input.
        sample: Ground truth in pixels of the network input.
        maps: Outputs of the head.
        preprocessor: The data preprocessor that made the input.
    """
    image = recover_image(pixels, preprocessor)
    height, width = image.shape[:2]
    meta = dict(ori_shape=(height, width), img_shape=(height, width))
    (detections,) = head.predict_maps(maps, [meta], rescale=False)
    return _figure(head, image, meta, maps, detections, sample.gt_instances)


def figure_of_file(
    head: CTDetHead, sample: DetDataSample, maps: HeadMaps
) -> HeatmapFigure:
    """Collects the figure of the original image file.

    Args:
        head: Assigns targets.
        sample: Detections and, if known, ground truth, in pixels of the file.
        maps: Outputs of the head.
    """
    image = mmcv.imfrombytes(get(sample.img_path), channel_order='rgb')
    meta, ground_truth = sample.metainfo, sample.get('gt_instances')
    return _figure(head, image, meta, maps, sample.pred_instances, ground_truth)


def _figure(
    head: CTDetHead,
    image: np.ndarray,
    meta: Mapping[str, Any],
    maps: HeadMaps,
    detections: InstanceData,
    ground_truth: InstanceData | None,
) -> HeatmapFigure:
    """Warps heatmaps and targets to an image that has the pixels of the boxes."""

    def warp(heatmap: np.ndarray) -> np.ndarray:
        return warp_heatmap(heatmap, meta, head.stride)

    target, point_targets = None, {}
    if ground_truth is not None:
        to_input = np.linalg.inv(image_matrix(meta))
        targets = _targets(head, ground_truth, to_input, _shape(maps['heatmap']))
        target = warp(_class_max(paint_heatmap(targets)))
        painted = _point_targets(head, targets, ground_truth, to_input)
        point_targets = {name: warp(heatmap) for name, heatmap in painted.items()}
    map_names = {name: f'{name}_heatmap' for name in head.point_sets}
    return HeatmapFigure(
        image,
        warp(max_over_classes(maps['heatmap'])),
        detections,
        target,
        ground_truth,
        head.properties,
        {name: warp(max_over_classes(maps[key])) for name, key in map_names.items()},
        point_targets,
    )


def _targets(
    head: CTDetHead,
    ground_truth: InstanceData,
    to_input: np.ndarray,
    shape: tuple[int, int, int, int],
) -> CenterTargets:
    """Assigns the targets of one image.

    Args:
        head: Its assigner is used.
        ground_truth: ``bboxes`` (N, 4) and ``labels`` (N,).
        to_input: (3, 3) matrix from pixels of the boxes to the network input.
        shape: 1, C, H, W of the heatmap.
    """
    boxes = get_box_tensor(ground_truth.bboxes).cpu()
    boxes = map_boxes(boxes[None], torch.from_numpy(to_input)[None])[0]
    return head.assigner.assign(
        [boxes], [ground_truth.labels.cpu()], shape, stride=head.stride
    )


def _point_targets(
    head: CTDetHead,
    targets: CenterTargets,
    ground_truth: InstanceData,
    to_input: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns the (H, W) targets of the other point sets, by name."""
    to_cells = np.diag([1 / head.stride, 1 / head.stride, 1]) @ to_input
    painted = {}
    for name, points in head.point_sets.items():
        prop = head.properties[points.keypoints]
        if prop.key in ground_truth:  # a test pipeline may pack boxes only
            values = ground_truth[prop.key].cpu()[: head.assigner.max_objects]
            moved = prop.transform(values, torch.from_numpy(to_cells))
            point_targets = points.make_targets(targets, moved)
            painted[name] = _class_max(paint_heatmap(point_targets))
    return painted


def _class_max(heatmap: Tensor) -> np.ndarray:
    """Returns the (H, W) largest value of any class, for (1, C, H, W)."""
    return heatmap[0].amax(dim=0).numpy()


def _shape(heatmap: Tensor) -> tuple[int, int, int, int]:
    num_images, num_classes, height, width = heatmap.shape
    return num_images, num_classes, height, width
