"""How the properties of objects are drawn over an image.

Legend: N objects, J keypoints. Boxes are x1, y1, x2, y2 in pixels of the image.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.visualization import Visualizer

from mmdet_centernet.codecs.properties import (
    FULL_TURN,
    AngleProperty,
    KeypointsProperty,
    Property,
    VectorProperty,
)

Colour = tuple[int, int, int]
Skeleton = Sequence[Sequence[int]]

FONT_SHARE = 0.09
"""Size of texts by the shorter side of the box."""
FONT_SIZES = (5.0, 9.0)
LINE_WIDTH = 2
DOT_SHARE = 0.025
"""Radius of a keypoint by the shorter side of its box."""
DOT_RADII = (1.5, 5.0)
"""Least and largest radius of a keypoint, in pixels of the picture."""
ARROW_SHARE = 0.5
"""Length of the arrow of an angle by the shorter side of the box."""
HEAD_SHARE = 0.3
"""Length of the head of an arrow by its length."""
HEAD_LENGTHS = (4.0, 12.0)
HEAD_ANGLE = 150.0
"""Degrees that the head turns away from the arrow."""


def draw_properties(
    visualizer: Visualizer,
    boxes: np.ndarray,
    values: Mapping[str, np.ndarray],
    properties: Mapping[str, Property],
    colour: Colour,
    skeleton: Skeleton = (),
    *,
    zoom: float = 1.0,
    text_colour: Colour | None = None,
) -> None:
    """Draw what is known about objects onto the image that a visualizer holds.

    Angles and displacements are arrows from the middle of the box, a line through it
    for an angle that is the same after half a turn. Keypoints are dots, joined by the
    skeleton. Everything else is a text such as ``distance 0.52``. What is not labelled
    is left out, as is what lies outside the image.

    Args:
        visualizer: Has an image, see ``Visualizer.set_image``.
        boxes: (N, 4).
        values: (N, row_shape...) by the key of the property; others are not drawn.
        properties: By name, which the texts say.
        colour: RGB.
        skeleton: Pairs of keypoints.
        zoom: How much larger the image is shown than boxes and values know it.
        text_colour: RGB of texts, which have a black background; by default the same.
    """
    # What crosses the border would else make room for itself, and move the image.
    visualizer.ax_save.autoscale(enable=False)
    texts: list[list[str]] = [[] for _ in boxes]
    for name, prop in properties.items():
        rows = values.get(prop.key)
        if rows is None or not len(boxes):
            continue
        rows = np.asarray(rows, np.float64)
        if isinstance(prop, KeypointsProperty):
            _draw_keypoints(visualizer, boxes * zoom, rows * zoom, colour, skeleton)
        elif isinstance(prop, AngleProperty):
            _draw_angles(visualizer, boxes * zoom, rows, prop.period, colour)
        elif isinstance(prop, VectorProperty) and prop.is_displacement:
            starts = _middles(boxes) * zoom
            _draw_arrows(visualizer, starts, starts + rows * zoom, colour)
        else:
            for words, row in zip(texts, rows.reshape(len(rows), -1), strict=True):
                words += describe(name, row)
    lines = ['\n'.join(words) for words in texts]
    _write(visualizer, boxes * zoom, lines, text_colour or colour)


def describe(name: str, row: np.ndarray) -> list[str]:
    """The text of a property of one object; none where nothing is labelled.

    Args:
        name: The name of the property.
        row: (D,) numbers.
    """
    if np.isnan(row).all():
        return []
    return [' '.join([name, *map(_number, row.tolist())])]


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return '?' if np.isnan(value) else f'{value:.{decimals}f}'


def _middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _shorter_sides(boxes: np.ndarray) -> np.ndarray:
    return np.abs(boxes[:, 2:] - boxes[:, :2]).min(axis=1)


def _draw_keypoints(
    visualizer: Visualizer,
    boxes: np.ndarray,
    points: np.ndarray,
    colour: Colour,
    skeleton: Skeleton,
) -> None:
    """Dots of the points, (N, J, 2), and the limbs between them."""
    size = visualizer.width, visualizer.height
    limbs = [pair for pair in skeleton if max(pair) < points.shape[1]]
    starts, ends = (
        points[:, [pair[end] for pair in limbs]].reshape(-1, 2) for end in (0, 1)
    )
    _draw_lines(visualizer, starts, ends, colour)
    radii = np.clip(_shorter_sides(boxes) * DOT_SHARE, *DOT_RADII)
    radii = np.repeat(radii, points.shape[1])
    dots = points.reshape(-1, 2)
    shown = ((dots >= 0) & (dots < size)).all(axis=1)
    if not shown.any():
        return
    with warnings.catch_warnings():  # of dots that the border cuts
        warnings.filterwarnings('ignore', message='.*out of bounds')
        visualizer.draw_circles(
            dots[shown],
            radii[shown],
            edge_colors='w',
            line_widths=1,
            face_colors=colour,
        )


def _draw_angles(
    visualizer: Visualizer,
    boxes: np.ndarray,
    angles: np.ndarray,
    period: float,
    colour: Colour,
) -> None:
    """Arrows in the direction of the angles, (N,) degrees, or lines both ways."""
    starts, lengths = _middles(boxes), _shorter_sides(boxes) * ARROW_SHARE
    for turn in range(max(1, round(FULL_TURN / period))):
        radians = np.deg2rad(angles + turn * period)
        directions = np.stack([np.cos(radians), np.sin(radians)], axis=1)
        ends = starts + lengths[:, None] * directions
        if period == FULL_TURN:
            _draw_arrows(visualizer, starts, ends, colour)
        else:
            _draw_lines(visualizer, starts, ends, colour)


def _draw_arrows(
    visualizer: Visualizer, starts: np.ndarray, ends: np.ndarray, colour: Colour
) -> None:
    """Arrows, (N, 2) each; their heads are lines as well."""
    ways = ends - starts
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    _draw_lines(visualizer, starts, ends, colour)
    with np.errstate(invalid='ignore', divide='ignore'):
        heads = ways / lengths * np.clip(lengths * HEAD_SHARE, *HEAD_LENGTHS)
    for angle in (HEAD_ANGLE, -HEAD_ANGLE):
        sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
        turned = heads @ np.array([[cos, sin], [-sin, cos]])
        _draw_lines(visualizer, ends, ends + turned, colour)


def _draw_lines(
    visualizer: Visualizer, starts: np.ndarray, ends: np.ndarray, colour: Colour
) -> None:
    """Those of the lines that have both ends, cut off at the border of the image."""
    known = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    size = np.subtract((visualizer.width, visualizer.height), 1.0)
    cut = [
        part
        for start, end in zip(starts[known], ends[known], strict=True)
        if (part := _cut(start, end, size)) is not None
    ]
    if cut:
        lines = np.array(cut)  # (lines, ends, x and y)
        visualizer.draw_lines(
            lines[..., 0], lines[..., 1], colors=colour, line_widths=LINE_WIDTH
        )


def _cut(start: np.ndarray, end: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """The part of a line that lies between 0 and the size, (2, 2) or None."""
    way = end - start
    with np.errstate(divide='ignore', invalid='ignore'):
        bounds = np.sort(np.stack([-start / way, (size - start) / way]), axis=0)
    still = way == 0
    if (still & ((start < 0) | (start > size))).any():
        return None
    first = max(0.0, *np.where(still, 0, bounds[0]))
    last = min(1.0, *np.where(still, 1, bounds[1]))
    if first > last:
        return None
    return np.stack([start + first * way, start + last * way])


def _write(
    visualizer: Visualizer, boxes: np.ndarray, texts: Sequence[str], colour: Colour
) -> None:
    """Texts in the lower left corners of boxes."""
    chosen = [number for number, text in enumerate(texts) if text]
    if not chosen:
        return
    size = np.subtract((visualizer.width, visualizer.height), 1.0)
    corners = np.clip(boxes[chosen][:, [0, 3]] + (2, -2), 0, size)
    sizes = np.clip(_shorter_sides(boxes[chosen]) * FONT_SHARE, *FONT_SIZES)
    visualizer.draw_texts(
        [texts[number].replace('$', r'\$') for number in chosen],
        corners,
        font_sizes=sizes.tolist(),
        colors=colour,
        vertical_alignments='bottom',
        bboxes=dict(facecolor='black', alpha=0.7, pad=1, edgecolor='none'),
    )
