"""Draws heatmaps, boxes, centers and captions.

Legend: N boxes. Images are RGB, uint8. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np
from mmengine.visualization import Visualizer

MIN_SIDE = 384
"""Smaller images are enlarged to make room for text."""
BACKGROUND_BRIGHTNESS = 0.4
"""Factor for the gray image below a heatmap."""
CAPTION_HEIGHT = 24
FONT_SIZE = 11
GROUND_TRUTH_COLOR = (80, 255, 80)
DETECTION_COLOR = (255, 170, 40)

Color = tuple[int, int, int]


def zoom_factor(image: np.ndarray) -> int:
    """Returns the whole factor that brings both sides to ``MIN_SIDE`` or more."""
    return max(1, ceil(MIN_SIDE / min(image.shape[:2])))


def enlarge(image: np.ndarray, zoom: int) -> np.ndarray:
    """Enlarges an image or a heatmap by a whole factor."""
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)


def blend_heatmap(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Blends a color-coded heatmap with the dimmed gray image.

    Args:
        image: (height, width, 3).
        heatmap: (height, width) from 0 to 1.

    Returns:
        (height, width, 3).
    """
    level = np.clip(heatmap, 0, 1)
    colors = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * BACKGROUND_BRIGHTNESS
    alpha = np.sqrt(level)[..., None]  # (height, width, 1)
    blended = gray * (1 - alpha) + colors[..., ::-1] * alpha
    return blended.astype(np.uint8)


def draw_boxes(
    visualizer: Visualizer,
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    color: Color,
) -> np.ndarray:
    """Draws boxes, each with a text in its upper left corner.

    Args:
        visualizer: Draws.
        image: (height, width, 3).
        boxes: (N, 4); clipped to the image.
        texts: N texts.
        color: RGB of boxes and texts.
    """
    visualizer.set_image(image)
    if len(boxes):
        size = np.subtract(image.shape[1::-1], 1)
        first = np.clip(np.minimum(boxes[:, :2], boxes[:, 2:]), 0, size)
        last = np.clip(np.maximum(boxes[:, :2], boxes[:, 2:]), 0, size)
        visualizer.draw_bboxes(np.hstack([first, last]), edge_colors=color)
        visualizer.draw_texts(
            list(map(escape_math, texts)),
            first + 2,
            font_sizes=FONT_SIZE,
            colors=color,
            bboxes=dict(facecolor='black', alpha=0.7, pad=1, edgecolor='none'),
        )
    return visualizer.get_image()


def mark_centers(
    visualizer: Visualizer, image: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """Marks the centers of boxes.

    Args:
        visualizer: Draws.
        image: (height, width, 3).
        boxes: (N, 4).
    """
    visualizer.set_image(image)
    if len(boxes):
        keep_extent(visualizer)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        visualizer.draw_points(centers, colors='w', marker='+', sizes=np.array([80.0]))
    return visualizer.get_image()


def keep_extent(visualizer: Visualizer) -> None:
    """Keeps matplotlib from extending the axes for what lies outside the image."""
    visualizer.ax_save.autoscale(enable=False)


def add_caption(panel: np.ndarray, text: str) -> np.ndarray:
    """Adds a line of text above an image."""
    strip = np.full((CAPTION_HEIGHT, panel.shape[1], 3), 255, np.uint8)
    origin = (6, CAPTION_HEIGHT - 7)
    cv2.putText(
        strip, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([strip, panel])


def escape_math(text: str) -> str:
    """Escapes dollar signs, between which matplotlib sets a formula."""
    return text.replace('$', r'\$')


def label_name(classes: Sequence[str], label: int) -> str:
    """Returns the class name of a label, or ``label 7`` if there is no such class."""
    return classes[label] if 0 <= label < len(classes) else f'label {label}'
