"""What belongs into a picture: image, boxes and heat in the same pixels.

Legend: C classes, H x W map, N boxes. Boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
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
from mmdet_centernet.models.preprocessing import read_preprocessing

HeadMaps = Mapping[str, Tensor]
"""(1, D, H, W) maps of the last stack of the head, by name."""
HeatByName = Mapping[str, np.ndarray]
"""(height, width) heat of further points, such as joints, by the name of their set."""
NOTHING: Mapping = MappingProxyType({})


class View(NamedTuple):
    """An image with what was asked for and what was found in it.

    Attributes:
        image: (height, width, 3) uint8, RGB.
        heat: (height, width) predicted heat from 0 to 1.
        found: ``bboxes``, ``labels``, ``scores`` and properties of detections.
        target: (height, width) heat that was asked for, where the truth is known.
        truth: ``bboxes``, ``labels`` and properties, where they are known.
        properties: Those of objects, by name.
        point_heat: Predicted heat of other points than centres.
        point_target: What was asked for there, where the truth is known.
    """

    image: np.ndarray
    heat: np.ndarray
    found: InstanceData
    target: np.ndarray | None
    truth: InstanceData | None
    properties: Mapping[str, Property] = NOTHING
    point_heat: HeatByName = NOTHING
    point_target: HeatByName = NOTHING


def network_view(
    head: CTDetHead,
    pixels: Tensor,
    sample: DetDataSample,
    maps: HeadMaps,
    preprocessor: ImgDataPreprocessor,
) -> View:
    """See an image as the network did: augmented and padded.

    Args:
        head: Knows the targets, and reads detections off its maps.
        pixels: (channels, height, width) network input.
        sample: Ground truth in pixels of the network input.
        maps: Outputs of the head.
        preprocessor: Made the input.
    """
    image = recover_image(pixels, preprocessor)
    height, width = image.shape[:2]
    meta = dict(ori_shape=(height, width), img_shape=(height, width))
    (found,) = head.predict_maps(maps, [meta], rescale=False)
    return _view(head, image, meta, maps, found, sample.gt_instances)


def original_view(head: CTDetHead, sample: DetDataSample, maps: HeadMaps) -> View:
    """See an image as it is on disk.

    Args:
        head: Knows the targets.
        sample: Detections and, where there is one, ground truth in pixels of the image.
        maps: Outputs of the head.
    """
    image = mmcv.imfrombytes(get(sample.img_path), channel_order='rgb')
    meta, truth = sample.metainfo, sample.get('gt_instances')
    return _view(head, image, meta, maps, sample.pred_instances, truth)


def _view(
    head: CTDetHead,
    image: np.ndarray,
    meta: Mapping[str, Any],
    maps: HeadMaps,
    found: InstanceData,
    truth: InstanceData | None,
) -> View:
    """An image whose pixels are those of the boxes."""

    def spread(heat: np.ndarray) -> np.ndarray:
        return spread_heat(heat, meta, head.stride)

    target, point_target = None, {}
    if truth is not None:
        to_input = np.linalg.inv(image_matrix(meta))
        targets = _targets(head, truth, to_input, _shape(maps['heatmap']))
        target = spread(_hottest(paint_heatmap(targets)))
        asked_for = _point_targets(head, targets, truth, to_input)
        point_target = {name: spread(heat) for name, heat in asked_for.items()}
    heat_names = {name: f'{name}_heatmap' for name in head.point_sets}
    return View(
        image,
        spread(peak_heat(maps['heatmap'])),
        found,
        target,
        truth,
        head.properties,
        {one: spread(peak_heat(maps[name])) for one, name in heat_names.items()},
        point_target,
    )


def recover_image(pixels: Tensor, preprocessor: ImgDataPreprocessor) -> np.ndarray:
    """Undo the normalisation of colours.

    Args:
        pixels: (channels, height, width) network input. Three channels are made of an
            image whose colours were loaded in the order B, G, R, as mmdet does by
            default; of more the first three are taken, of less the first is grey.
        preprocessor: Made the input.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    pixels = pixels.float()
    settings = read_preprocessing(preprocessor)
    if settings.mean is not None and settings.std is not None:
        pixels = pixels * settings.std + settings.mean
    pixels = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    if not settings.reverses_channels:
        pixels = pixels.flip(0)
    return pixels.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()


def peak_heat(logits: Tensor) -> np.ndarray:
    """(H, W) heat of the hottest class, for logits (1, C, H, W)."""
    return logits[0].float().sigmoid().amax(dim=0).cpu().numpy()


def _targets(
    head: CTDetHead,
    truth: InstanceData,
    to_input: np.ndarray,
    shape: tuple[int, int, int, int],
) -> CenterTargets:
    """What the head is asked for in one image.

    Args:
        head: Its assigner makes the targets.
        truth: ``bboxes`` (N, 4) and ``labels`` (N,).
        to_input: (3, 3) map from pixels of the boxes to those of the network input.
        shape: 1, C, H, W of the heatmap.
    """
    boxes = get_box_tensor(truth.bboxes).cpu()
    boxes = map_boxes(boxes[None], torch.from_numpy(to_input)[None])[0]
    return head.assigner.assign(
        [boxes], [truth.labels.cpu()], shape, stride=head.stride
    )


def _point_targets(
    head: CTDetHead,
    targets: CenterTargets,
    truth: InstanceData,
    to_input: np.ndarray,
) -> dict[str, np.ndarray]:
    """(H, W) heat that the head is asked for of other points than centres, by name."""
    to_cells = np.diag([1 / head.stride, 1 / head.stride, 1]) @ to_input
    heat = {}
    for name, points in head.point_sets.items():
        prop = head.properties[points.keypoints]
        if prop.key in truth:  # a test pipeline may have packed boxes alone
            values = truth[prop.key].cpu()[: head.assigner.max_objects]
            moved = prop.transform(values, torch.from_numpy(to_cells))
            heat[name] = _hottest(paint_heatmap(points.make_targets(targets, moved)))
    return heat


def _hottest(heatmap: Tensor) -> np.ndarray:
    """(H, W) of the hottest class, for (1, C, H, W)."""
    return heatmap[0].amax(dim=0).numpy()


def _shape(heatmap: Tensor) -> tuple[int, int, int, int]:
    num_images, num_classes, height, width = heatmap.shape
    return num_images, num_classes, height, width


def spread_heat(heat: np.ndarray, meta: Mapping[str, Any], stride: int) -> np.ndarray:
    """Lay a heatmap over an image, whatever the pipeline did to that.

    Args:
        heat: (H, W) heights at the cells of the map.
        meta: ``ori_shape``, and what the pipeline recorded of its geometry.
        stride: Pixels of the network input a cell.

    Returns:
        (height, width) of the image, float32, 0 where the network did not look.
    """
    height, width = meta['ori_shape'][:2]
    # A cell of the map and a pixel of the image stand for their middles.
    into_middle, out_of_middle = np.eye(3), np.eye(3)
    into_middle[:2, 2], out_of_middle[:2, 2] = 0.5, -0.5
    cells_to_input = np.diag([stride, stride, 1.0])
    matrix = out_of_middle @ image_matrix(meta) @ cells_to_input @ into_middle
    return cv2.warpPerspective(
        heat.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR
    )
