"""How heatmaps, boxes, peaks and properties are drawn over an image.

Legend: N boxes. Images are RGB, uint8. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from mmdet_centernet.hooks.heatmap_view import HeatByName, View
from mmdet_centernet.visualization.draw_properties import draw_properties
from mmdet_centernet.visualization.local_visualizer import field_values, skeleton_of

MIN_SIDE = 384
"""Smaller images are enlarged, so that text finds room."""
DIMMED = 0.4
"""Brightness left to the image below a heatmap."""
CAPTION_HEIGHT = 24
FONT_SIZE = 11
TRUTH_COLOUR = (80, 255, 80)
FOUND_COLOUR = (255, 170, 40)

Colour = tuple[int, int, int]


class Titles(NamedTuple):
    """Captions of a column of panels."""

    boxes: str
    heat: str
    points: str


TRUTH_TITLES = Titles('ground truth', 'target and its peaks', 'target of {}')
FOUND_TITLES = Titles('detections', 'heatmap and its peaks', 'heatmap of {}')


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


def draw_view(
    visualizer: Visualizer, view: View, classes: Sequence[str] = ()
) -> np.ndarray:
    """Draw what was asked for on the left, what was found on the right.

    Args:
        visualizer: Draws.
        view: What to draw.
        classes: Names of the labels; where there are none, those of the visualizer's
            ``dataset_meta``.

    Returns:
        The picture, RGB: boxes with properties above, heatmaps with peaks below, and
        below them those of other points, such as joints; all enlarged where the image
        is small. Without ground truth the right column alone.
    """
    zoom = max(1, ceil(MIN_SIDE / min(view.image.shape[:2])))
    image = enlarge(view.image, zoom)
    classes = classes or (visualizer.dataset_meta or {}).get('classes') or ()

    def column(
        instances: InstanceData,
        heat: np.ndarray,
        point_heat: HeatByName,
        colour: Colour,
        titles: Titles,
    ) -> np.ndarray:
        boxes, texts = zoom * box_array(instances), _texts(instances, classes)
        panels = [
            draw_boxes(visualizer, image, boxes, texts, colour),
            draw_peaks(visualizer, blend_heatmap(image, enlarge(heat, zoom)), boxes),
        ]
        if view.properties:
            panels[0] = _add_properties(
                visualizer, panels[0], instances, view, colour, zoom
            )
        captions = [titles.boxes, titles.heat]
        for name in view.point_heat:
            cold = np.zeros(view.heat.shape, np.float32)
            panels.append(
                blend_heatmap(image, enlarge(point_heat.get(name, cold), zoom))
            )
            captions.append(titles.points.format(name))
        return np.vstack(list(map(add_caption, panels, captions)))

    found = view.found[view.found.scores.argsort()]  # the best on top
    columns = [column(found, view.heat, view.point_heat, FOUND_COLOUR, FOUND_TITLES)]
    if view.truth is not None and view.target is not None:
        columns.insert(
            0,
            column(
                view.truth, view.target, view.point_target, TRUTH_COLOUR, TRUTH_TITLES
            ),
        )
    return np.hstack(columns)


def _add_properties(
    visualizer: Visualizer,
    panel: np.ndarray,
    instances: InstanceData,
    view: View,
    colour: Colour,
    zoom: int,
) -> np.ndarray:
    """Draw the properties of objects over their boxes."""
    visualizer.set_image(panel)
    draw_properties(
        visualizer,
        box_array(instances),
        field_values(instances, [prop.key for prop in view.properties.values()]),
        view.properties,
        colour,
        skeleton_of(visualizer),
        zoom=zoom,
    )
    return visualizer.get_image()


def enlarge(image: np.ndarray, zoom: int) -> np.ndarray:
    """Make an image or a map larger by a whole factor."""
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)


def draw_boxes(
    visualizer: Visualizer,
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    colour: Colour,
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
            list(map(plain, texts)),
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


def box_array(instances: InstanceData) -> np.ndarray:
    """(N, 4) boxes on the host."""
    return get_box_tensor(instances.bboxes).detach().cpu().numpy()


def plain(text: str) -> str:
    """A text that matplotlib shows as it stands, and does not set as a formula."""
    return text.replace('$', r'\$')


def label_name(classes: Sequence[str], label: int) -> str:
    """The name of a label, also of one that the classes lack."""
    return classes[label] if 0 <= label < len(classes) else f'label {label}'


def _texts(instances: InstanceData, classes: Sequence[str]) -> list[str]:
    """Class and, where there is one, score of each box."""
    names = [label_name(classes, label) for label in instances.labels.tolist()]
    if 'scores' not in instances:
        return names
    scores = instances.scores.tolist()
    return [f'{name}: {score:.2f}' for name, score in zip(names, scores, strict=True)]


def add_caption(panel: np.ndarray, text: str) -> np.ndarray:
    """Put a line of text above an image."""
    strip = np.full((CAPTION_HEIGHT, panel.shape[1], 3), 255, np.uint8)
    origin = (6, CAPTION_HEIGHT - 7)
    cv2.putText(
        strip, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([strip, panel])
