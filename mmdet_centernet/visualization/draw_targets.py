"""Draws the boxes of a training image and the Gaussians that are their targets.

Legend: N boxes. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from mmengine.visualization import Visualizer
from torch import Tensor

from mmdet_centernet.codecs import CenterTargets, Property, paint_heatmap
from mmdet_centernet.visualization.draw_properties import draw_properties
from mmdet_centernet.visualization.image_space import warp_heatmap
from mmdet_centernet.visualization.primitives import (
    GROUND_TRUTH_COLOR,
    Color,
    add_caption,
    blend_heatmap,
    draw_boxes,
    enlarge,
    label_name,
    zoom_factor,
)

SHARED_CELL_COLOR = (255, 80, 255)
DROPPED_COLOR = (255, 60, 60)
PROPERTY_COLOR = (80, 220, 255)
IGNORED_COLOR = (170, 170, 170)
MIN_DRAWN_SIDE = 4
"""Smaller boxes are drawn with this width and height, in pixels, to be visible."""


class TrainingSample(NamedTuple):
    """One image as the network gets it in training.

    Attributes:
        path: The image file.
        image: (height, width, 3) uint8, RGB: augmented and padded.
        boxes: (N, 4) in pixels of ``image``.
        labels: (N,) classes.
        ignored: (M, 4) regions without loss.
        targets: Output of the assigner, B = 1.
        shares_cell: (N,) bool: the center cell holds the center of another object.
        values: (N, row_shape...) of each property by name.
    """

    path: str
    image: np.ndarray
    boxes: Tensor
    labels: Tensor
    ignored: Tensor
    targets: CenterTargets
    shares_cell: np.ndarray
    values: Mapping[str, np.ndarray] = MappingProxyType({})


def draw_targets(
    visualizer: Visualizer,
    sample: TrainingSample,
    classes: Sequence[str],
    stride: int,
    properties: Mapping[str, Property] = MappingProxyType({}),
) -> np.ndarray:
    """Draws boxes on the left, their Gaussians on the right.

    Colors: green for supervised boxes, magenta for those that share the cell of their
    center with another object, red for dropped boxes, gray for ignored regions, light
    blue for properties. On the right a box has the size of its Gaussian.

    Args:
        visualizer: Draws.
        sample: What to draw.
        classes: Names of the classes.
        stride: Pixels per cell.
        properties: Properties of ``sample.values``, by name.

    Returns:
        RGB image, two enlarged images wide.
    """
    zoom = zoom_factor(sample.image)
    image, targets = enlarge(sample.image, zoom), sample.targets
    meta = dict(ori_shape=sample.image.shape)
    target = paint_heatmap(targets)[0].amax(dim=0).numpy()  # (H, W)
    heatmap = warp_heatmap(target, meta, stride)
    names = [label_name(classes, label) for label in sample.labels.tolist()]
    radii = [f'r {radius}' for radius in targets.radii.tolist()]
    panels = {
        _count_kinds(sample): _draw_properties(
            visualizer,
            _draw(visualizer, image, zoom * _visible_boxes(sample), names, sample),
            sample,
            properties,
        ),
        'target and radii in cells': _draw(
            visualizer,
            blend_heatmap(image, enlarge(heatmap, zoom)),
            zoom * stride * gaussian_windows(targets),
            radii,
            sample,
        ),
    }
    return np.hstack([add_caption(panel, text) for text, panel in panels.items()])


def gaussian_windows(targets: CenterTargets) -> np.ndarray:
    """Returns the (N, 4) windows of the Gaussians, in cells."""
    centers, radii = targets.centers.numpy(), targets.radii.numpy()[:, None]
    return np.hstack([centers - radii, centers + radii + 1]).astype(float)


def _draw(
    visualizer: Visualizer,
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    sample: TrainingSample,
) -> np.ndarray:
    """Draws ignored regions, and a box per object in the color of its kind."""
    regions = zoom_factor(sample.image) * sample.ignored.numpy()
    image = draw_boxes(visualizer, image, regions, [''] * len(regions), IGNORED_COLOR)
    for color, _, chosen in _kinds(sample):
        chosen_texts = [text for text, here in zip(texts, chosen, strict=True) if here]
        image = draw_boxes(visualizer, image, boxes[chosen], chosen_texts, color)
    return image


def _draw_properties(
    visualizer: Visualizer,
    image: np.ndarray,
    sample: TrainingSample,
    properties: Mapping[str, Property],
) -> np.ndarray:
    if not properties:
        return image
    visualizer.set_image(image)
    values = {prop.key: sample.values[name] for name, prop in properties.items()}
    boxes, zoom = _visible_boxes(sample), zoom_factor(sample.image)
    draw_properties(visualizer, boxes, values, properties, PROPERTY_COLOR, zoom=zoom)
    return visualizer.get_image()


def _kinds(sample: TrainingSample) -> list[tuple[Color, str, np.ndarray]]:
    """Returns color, description and (N,) bool mask of each kind of box."""
    valid, shared = sample.targets.valid.numpy(), sample.shares_cell
    return [
        (GROUND_TRUTH_COLOR, 'alone in a cell', valid & ~shared),
        (SHARED_CELL_COLOR, 'in shared cells', valid & shared),
        (DROPPED_COLOR, 'dropped', ~valid),
    ]


def _count_kinds(sample: TrainingSample) -> str:
    counts = [(int(chosen.sum()), text) for _, text, chosen in _kinds(sample)]
    return ', '.join(f'{count} {text}' for count, text in counts if count)


def _visible_boxes(sample: TrainingSample) -> np.ndarray:
    """Returns (N, 4) boxes inside the image with a minimum size."""
    limits = np.subtract(sample.image.shape[1::-1], MIN_DRAWN_SIDE)
    boxes = np.nan_to_num(sample.boxes.numpy().astype(float))
    first = np.clip(boxes[:, :2], 0, limits)
    return np.hstack([first, np.maximum(boxes[:, 2:], first + MIN_DRAWN_SIDE)])
