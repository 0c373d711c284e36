"""How heatmaps, boxes and peaks are drawn over an image.

Legend: C classes, H x W map, N boxes. Images are RGB, uint8. Boxes are x1, y1, x2, y2
in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import cv2
import numpy as np
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from mmdet_centernet.functional.affine import image_matrix

MIN_SIDE = 384
"""Smaller images are enlarged, so that text finds room."""
DIMMED = 0.4
"""Brightness left to the image below a heatmap."""
CAPTION_HEIGHT = 24
FONT_SIZE = 11
TRUTH_COLOUR = (80, 255, 80)
FOUND_COLOUR = (255, 170, 40)


def spread_heatmap(
    heatmap: np.ndarray, meta: Mapping[str, Any], stride: int
) -> np.ndarray:
    """Lay a heatmap over the original image, whatever the pipeline did to that.

    Args:
        heatmap: (H, W) heights at the cells of the map.
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
        heatmap.astype(np.float32), matrix, (width, height), flags=cv2.INTER_LINEAR
    )


def blend_heatmap(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Paint heat in colour over a dimmed grey image.

    Args:
        image: (height, width, 3).
        heatmap: (height, width) from 0 to 1.

    Returns:
        (height, width, 3).
    """
    level = np.clip(heatmap, 0, 1)
    colours = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * DIMMED
    share = np.sqrt(level)[..., None]
    blended = grey * (1 - share) + colours[..., ::-1] * share
    return blended.astype(np.uint8)


def draw_prediction(
    visualizer: Visualizer,
    image: np.ndarray,
    heatmap: np.ndarray,
    truth: InstanceData | None,
    found: InstanceData,
) -> np.ndarray:
    """Draw ground truth, detections, and the heatmap with its peaks side by side.

    Args:
        visualizer: Draws; its ``dataset_meta`` names the classes.
        image: (height, width, 3).
        heatmap: (height, width) from 0 to 1, over the image.
        truth: ``bboxes`` and ``labels``, where they are known.
        found: ``bboxes``, ``labels`` and ``scores``.

    Returns:
        The picture, three enlarged images wide.
    """
    zoom = max(1, ceil(MIN_SIDE / min(image.shape[:2])))
    image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    heatmap = cv2.resize(heatmap, None, fx=zoom, fy=zoom)
    classes = (visualizer.dataset_meta or {}).get('classes')
    found = found[found.scores.argsort()]  # the best on top
    found_boxes = zoom * _boxes(found)
    panels = {
        'detections': draw_boxes(
            visualizer, image, found_boxes, _texts(found, classes), FOUND_COLOUR
        ),
        'heatmap and peaks': draw_peaks(
            visualizer, blend_heatmap(image, heatmap), found_boxes
        ),
    }
    if truth is not None:
        drawn = draw_boxes(
            visualizer,
            image,
            zoom * _boxes(truth),
            _texts(truth, classes),
            TRUTH_COLOUR,
        )
        panels = {'ground truth': drawn, **panels}
    return np.hstack([_caption(panel, text) for text, panel in panels.items()])


def draw_boxes(
    visualizer: Visualizer,
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    colour: tuple[int, int, int],
) -> np.ndarray:
    """Draw boxes with a text each.

    Args:
        visualizer: Draws.
        image: (height, width, 3).
        boxes: (N, 4); what lies outside the image is cut off.
        texts: N texts.
        colour: RGB of boxes and texts.
    """
    visualizer.set_image(image)
    if len(boxes):
        size = np.subtract(image.shape[1::-1], 1)
        first = np.clip(np.minimum(boxes[:, :2], boxes[:, 2:]), 0, size)
        last = np.clip(np.maximum(boxes[:, :2], boxes[:, 2:]), 0, size)
        visualizer.draw_bboxes(np.hstack([first, last]), edge_colors=colour)
        visualizer.draw_texts(
            list(texts),
            first + 2,
            font_sizes=FONT_SIZE,
            colors=colour,
            bboxes=dict(facecolor='black', alpha=0.7, pad=1, edgecolor='none'),
        )
    return visualizer.get_image()


def draw_peaks(
    visualizer: Visualizer, image: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """Mark the centres of boxes, which are the peaks that they were read from.

    Args:
        visualizer: Draws.
        image: (height, width, 3).
        boxes: (N, 4).
    """
    visualizer.set_image(image)
    if len(boxes):
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        visualizer.draw_points(centers, colors='w', marker='+', sizes=np.array([80.0]))
    return visualizer.get_image()


def _boxes(instances: InstanceData) -> np.ndarray:
    return get_box_tensor(instances.bboxes).detach().cpu().numpy()


def _texts(instances: InstanceData, classes: Sequence[str] | None) -> list[str]:
    """Class and, where there is one, score of each box."""
    labels = instances.labels.tolist()
    names = [classes[label] if classes else str(label) for label in labels]
    if 'scores' not in instances:
        return names
    scores = instances.scores.tolist()
    return [f'{name}: {score:.2f}' for name, score in zip(names, scores, strict=True)]


def _caption(panel: np.ndarray, text: str) -> np.ndarray:
    """Put a line of text above an image."""
    strip = np.full((CAPTION_HEIGHT, panel.shape[1], 3), 255, np.uint8)
    origin = (6, CAPTION_HEIGHT - 7)
    cv2.putText(
        strip, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([strip, panel])
