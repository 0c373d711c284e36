"""How boxes and their Gaussians are drawn, collisions and dropped boxes marked.

Legend: N boxes. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType

import numpy as np
from mmengine.visualization import Visualizer

from mmdet_centernet.codecs import CenterTargets, Property, paint_heatmap
from mmdet_centernet.data_report.samples import Sample
from mmdet_centernet.data_report.statistics import sharing
from mmdet_centernet.hooks.heatmap_picture import (
    MIN_SIDE,
    TRUTH_COLOUR,
    Colour,
    add_caption,
    blend_heatmap,
    draw_boxes,
    enlarge,
    label_name,
)
from mmdet_centernet.hooks.heatmap_view import spread_heat
from mmdet_centernet.visualization import draw_properties

SHARING_COLOUR = (255, 80, 255)
DROPPED_COLOUR = (255, 60, 60)
PROPERTY_COLOUR = (80, 220, 255)
IGNORED_COLOUR = (170, 170, 170)
LEAST_DRAWN = 4
"""Boxes are drawn at least so many pixels wide and high, so that they are seen."""


def draw_sample(
    visualizer: Visualizer,
    sample: Sample,
    classes: Sequence[str],
    stride: int,
    properties: Mapping[str, Property] = MappingProxyType({}),
) -> np.ndarray:
    """Draw boxes on the left, the Gaussians that they are taught as on the right.

    Green boxes are taught; those in magenta share the cell of their centre with
    another; red ones are dropped; nothing is taught in grey ones. Properties are light
    blue. A Gaussian stands in the square of its radius.

    Args:
        visualizer: Draws.
        sample: What to draw.
        classes: Names of the classes.
        stride: Pixels a cell.
        properties: Those of the sample's values, by name.

    Returns:
        RGB picture, two enlarged images wide.
    """
    zoom = max(1, ceil(MIN_SIDE / min(sample.image.shape[:2])))
    image, targets = enlarge(sample.image, zoom), sample.targets
    meta = dict(ori_shape=sample.image.shape)
    heat = spread_heat(paint_heatmap(targets)[0].amax(dim=0).numpy(), meta, stride)
    names = [label_name(classes, label) for label in sample.labels.tolist()]
    radii = [f'r {radius}' for radius in targets.radii.tolist()]
    panels = {
        _describe(targets): _draw_properties(
            visualizer,
            _draw(visualizer, image, zoom * _boxes(sample), names, sample, zoom),
            sample,
            properties,
            zoom,
        ),
        'target and radii in cells': _draw(
            visualizer,
            blend_heatmap(image, enlarge(heat, zoom)),
            zoom * stride * windows(targets),
            radii,
            sample,
            zoom,
        ),
    }
    return np.hstack([add_caption(panel, text) for text, panel in panels.items()])


def windows(targets: CenterTargets) -> np.ndarray:
    """(N, 4) the squares that Gaussians fill, in cells from the edge of the first."""
    centers, reach = targets.centers.numpy(), targets.radii.numpy()[:, None]
    return np.hstack([centers - reach, centers + reach + 1]).astype(float)


def _draw(
    visualizer: Visualizer,
    image: np.ndarray,
    boxes: np.ndarray,
    texts: Sequence[str],
    sample: Sample,
    zoom: int,
) -> np.ndarray:
    """Draw one box an object in the colour of its kind, and the ignored regions."""
    regions = zoom * sample.ignored.numpy()
    nothing = [''] * len(regions)
    image = draw_boxes(visualizer, image, regions, nothing, IGNORED_COLOUR)
    for colour, chosen in _kinds(sample.targets).items():
        chosen_texts = [text for text, here in zip(texts, chosen, strict=True) if here]
        image = draw_boxes(visualizer, image, boxes[chosen], chosen_texts, colour)
    return image


def _draw_properties(
    visualizer: Visualizer,
    image: np.ndarray,
    sample: Sample,
    properties: Mapping[str, Property],
    zoom: int,
) -> np.ndarray:
    """Draw what is known of the objects beside their boxes."""
    if not properties:
        return image
    visualizer.set_image(image)
    values = {prop.key: sample.values[name] for name, prop in properties.items()}
    boxes = _boxes(sample)
    draw_properties(visualizer, boxes, values, properties, PROPERTY_COLOUR, zoom=zoom)
    return visualizer.get_image()


def _kinds(targets: CenterTargets) -> dict[Colour, np.ndarray]:
    """(N,) bool for each colour."""
    valid = targets.valid.numpy()
    shared = sharing(targets, same_class=False)
    return {
        TRUTH_COLOUR: valid & ~shared,
        SHARING_COLOUR: valid & shared,
        DROPPED_COLOUR: ~valid,
    }


def _boxes(sample: Sample) -> np.ndarray:
    """(N, 4) boxes, those without an area and those outside made visible."""
    limits = np.subtract(sample.image.shape[1::-1], LEAST_DRAWN)
    boxes = np.nan_to_num(sample.boxes.numpy().astype(float))
    first = np.clip(boxes[:, :2], 0, limits)
    return np.hstack([first, np.maximum(boxes[:, 2:], first + LEAST_DRAWN)])


def _describe(targets: CenterTargets) -> str:
    counts = [chosen.sum() for chosen in _kinds(targets).values()]
    kinds = ('alone in a cell', 'in shared cells', 'dropped')
    return ', '.join(
        f'{count} {kind}' for count, kind in zip(counts, kinds, strict=True) if count
    )
