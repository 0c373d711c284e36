"""What belongs into a picture: image, boxes and heat in the same pixels.

Legend: C classes, H x W map, N boxes. Boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from mmdet_centernet.codecs import paint_heatmap
from mmdet_centernet.functional.affine import image_matrix, map_boxes
from mmdet_centernet.models import CTDetHead

HeadMaps = Mapping[str, Tensor]
"""(1, D, H, W) maps of the last stack of the head, by name."""


class View(NamedTuple):
    """An image with what was asked for and what was found in it.

    Attributes:
        image: (height, width, 3) uint8, RGB.
        heat: (height, width) predicted heat from 0 to 1.
        found: ``bboxes``, ``labels`` and ``scores`` of detections.
        target: (height, width) heat that was asked for, where the truth is known.
        truth: ``bboxes`` and ``labels``, where they are known.
    """

    image: np.ndarray
    heat: np.ndarray
    found: InstanceData
    target: np.ndarray | None
    truth: InstanceData | None


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
    truth = sample.gt_instances
    target = target_heat(head, truth, np.eye(3), _shape(maps['heatmap']))
    (found,) = head.predict_maps(maps, [meta], rescale=False)
    return View(
        image,
        spread_heat(peak_heat(maps['heatmap']), meta, head.stride),
        found,
        spread_heat(target, meta, head.stride),
        truth,
    )


def original_view(head: CTDetHead, sample: DetDataSample, maps: HeadMaps) -> View:
    """See an image as it is on disk.

    Args:
        head: Knows the targets.
        sample: Detections and, where there is one, ground truth in pixels of the image.
        maps: Outputs of the head.
    """
    meta, truth = sample.metainfo, sample.get('gt_instances')
    target = None
    if truth is not None:
        to_input = np.linalg.inv(image_matrix(meta))
        asked_for = target_heat(head, truth, to_input, _shape(maps['heatmap']))
        target = spread_heat(asked_for, meta, head.stride)
    return View(
        mmcv.imfrombytes(get(sample.img_path), channel_order='rgb'),
        spread_heat(peak_heat(maps['heatmap']), meta, head.stride),
        sample.pred_instances,
        target,
        truth,
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
    if preprocessor._enable_normalize:
        pixels = pixels * preprocessor.std + preprocessor.mean
    pixels = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    if not preprocessor._channel_conversion:
        pixels = pixels.flip(0)
    return pixels.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()


def peak_heat(logits: Tensor) -> np.ndarray:
    """(H, W) heat of the hottest class, for logits (1, C, H, W)."""
    return logits[0].float().sigmoid().amax(dim=0).cpu().numpy()


def target_heat(
    head: CTDetHead,
    truth: InstanceData,
    to_input: np.ndarray,
    shape: tuple[int, int, int, int],
) -> np.ndarray:
    """The heat that the head is asked for in one image.

    Args:
        head: Its assigner makes the targets.
        truth: ``bboxes`` (N, 4) and ``labels`` (N,).
        to_input: (3, 3) map from pixels of the boxes to those of the network input.
        shape: 1, C, H, W of the heatmap.

    Returns:
        (H, W) of the hottest class.
    """
    boxes = get_box_tensor(truth.bboxes).cpu()
    boxes = map_boxes(boxes[None], torch.from_numpy(to_input)[None])[0]
    targets = head.assigner.assign(
        [boxes], [truth.labels.cpu()], shape, stride=head.stride
    )
    return paint_heatmap(targets)[0].amax(dim=0).numpy()


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
