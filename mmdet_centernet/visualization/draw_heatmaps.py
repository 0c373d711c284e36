"""Draws a heatmap figure: objects, heatmaps and targets in panels.

Legend: N boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from mmdet_centernet.visualization.draw_properties import draw_properties
from mmdet_centernet.visualization.heatmap_figure import HeatmapByName, HeatmapFigure
from mmdet_centernet.visualization.local_visualizer import field_values, skeleton_of
from mmdet_centernet.visualization.primitives import (
    DETECTION_COLOR,
    GROUND_TRUTH_COLOR,
    Color,
    add_caption,
    blend_heatmap,
    draw_boxes,
    enlarge,
    label_name,
    mark_centers,
    zoom_factor,
)


class Column(NamedTuple):
    """Contents and captions of one column of panels.

    Attributes:
        instances: Boxes, labels and properties.
        heatmap: (height, width) below the boxes.
        point_heatmaps: (height, width) each, below the former.
        color: RGB of boxes and properties.
        captions: Of boxes, of the heatmap, and of a point set with ``{}`` for its name.
    """

    instances: InstanceData
    heatmap: np.ndarray
    point_heatmaps: HeatmapByName
    color: Color
    captions: tuple[str, str, str]


def draw_heatmaps(
    visualizer: Visualizer, figure: HeatmapFigure, classes: Sequence[str] = ()
) -> np.ndarray:
    """Draws ground truth and targets on the left, predictions on the right.

    Args:
        visualizer: Draws.
        figure: What to draw.
        classes: Names of the labels; by default those of the visualizer's
            ``dataset_meta``.

    Returns:
        RGB image. Rows are boxes with properties, heatmaps with peaks, and a heatmap
        per further point set, such as joints. Small images are enlarged. Without
        ground truth there is only the right column.
    """
    classes = classes or (visualizer.dataset_meta or {}).get('classes') or ()
    return np.hstack(
        [
            _draw_column(visualizer, figure, column, classes)
            for column in _columns(figure)
        ]
    )


def _columns(figure: HeatmapFigure) -> list[Column]:
    by_score = figure.detections.scores.argsort()  # the best are drawn last, on top
    predicted = Column(
        figure.detections[by_score],
        figure.heatmap,
        figure.point_heatmaps,
        DETECTION_COLOR,
        ('detections', 'heatmap and its peaks', 'heatmap of {}'),
    )
    if figure.ground_truth is None or figure.target is None:
        return [predicted]
    expected = Column(
        figure.ground_truth,
        figure.target,
        figure.point_targets,
        GROUND_TRUTH_COLOR,
        ('ground truth', 'target and its peaks', 'target of {}'),
    )
    return [expected, predicted]


def _draw_column(
    visualizer: Visualizer,
    figure: HeatmapFigure,
    column: Column,
    classes: Sequence[str],
) -> np.ndarray:
    zoom = zoom_factor(figure.image)
    image = enlarge(figure.image, zoom)
    boxes = zoom * _box_array(column.instances)
    texts = _texts(column.instances, classes)
    blended = blend_heatmap(image, enlarge(column.heatmap, zoom))
    objects = draw_boxes(visualizer, image, boxes, texts, column.color)
    if figure.properties:
        objects = _draw_properties(visualizer, objects, figure, column, zoom)
    panels = [objects, mark_centers(visualizer, blended, boxes)]
    captions = [*column.captions[:2]]
    for name in figure.point_heatmaps:
        empty = np.zeros(figure.heatmap.shape, np.float32)
        heatmap = column.point_heatmaps.get(name, empty)
        panels.append(blend_heatmap(image, enlarge(heatmap, zoom)))
        captions.append(column.captions[2].format(name))
    return np.vstack(list(map(add_caption, panels, captions)))


def _draw_properties(
    visualizer: Visualizer,
    panel: np.ndarray,
    figure: HeatmapFigure,
    column: Column,
    zoom: int,
) -> np.ndarray:
    visualizer.set_image(panel)
    keys = [prop.key for prop in figure.properties.values()]
    draw_properties(
        visualizer,
        _box_array(column.instances),
        field_values(column.instances, keys),
        figure.properties,
        column.color,
        skeleton_of(visualizer),
        zoom=zoom,
    )
    return visualizer.get_image()


def _box_array(instances: InstanceData) -> np.ndarray:
    """Returns the (N, 4) boxes on the host."""
    return get_box_tensor(instances.bboxes).detach().cpu().numpy()


def _texts(instances: InstanceData, classes: Sequence[str]) -> list[str]:
    """Returns class name and, for detections, score of each box."""
    names = [label_name(classes, label) for label in instances.labels.tolist()]
    if 'scores' not in instances:
        return names
    scores = instances.scores.tolist()
    return [f'{name}: {score:.2f}' for name, score in zip(names, scores, strict=True)]
