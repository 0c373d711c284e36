"""Draws the properties of objects on an image.

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
from mmdet_centernet.visualization.primitives import Color, escape_math, keep_extent

Skeleton = Sequence[Sequence[int]]

FONT_SHARE = 0.09
"""Font size relative to the shorter side of the box."""
FONT_SIZES = (5.0, 9.0)
"""Smallest and largest font size, in points."""
LINE_WIDTH = 2
DOT_SHARE = 0.025
"""Radius of a keypoint relative to the shorter side of its box."""
DOT_RADII = (1.5, 5.0)
"""Smallest and largest radius of a keypoint, in pixels."""
ARROW_SHARE = 0.5
"""Length of an angle's arrow relative to the shorter side of the box."""
HEAD_SHARE = 0.3
"""Length of an arrowhead relative to the arrow."""
HEAD_LENGTHS = (4.0, 12.0)
"""Smallest and largest length of an arrowhead, in pixels."""
HEAD_ANGLE = 150.0
"""Degrees between the arrow and the lines of its head."""


def draw_properties(
    visualizer: Visualizer,
    boxes: np.ndarray,
    values: Mapping[str, np.ndarray],
    properties: Mapping[str, Property],
    color: Color,
    skeleton: Skeleton = (),
    *,
    zoom: float = 1.0,
    text_color: Color | None = None,
) -> None:
    """Draws the properties of objects on the current image of a visualizer.

    Angles and displacements are arrows from the center of the box; an angle with a
    period of 180 degrees is a line through it. Keypoints are dots, connected by the
    skeleton. Other properties are texts such as ``distance 0.52``. Unlabeled values and
    everything outside the image are left out.

    Args:
        visualizer: Holds an image, see ``Visualizer.set_image``.
        boxes: (N, 4).
        values: (N, row_shape...) by the key of the property; properties without values
            are not drawn.
        properties: Properties by name; texts show the name.
        color: RGB.
        skeleton: Pairs of keypoints.
        zoom: Scale of the shown image relative to boxes and values.
        text_color: RGB of texts, on black background; by default ``color``.
    """
    keep_extent(visualizer)
    texts: list[list[str]] = [[] for _ in boxes]
    for name, prop in properties.items():
        rows = values.get(prop.key)
        if rows is None or not len(boxes):
            continue
        rows = np.asarray(rows, np.float64)
        if isinstance(prop, KeypointsProperty):
            _draw_keypoints(visualizer, boxes * zoom, rows * zoom, color, skeleton)
        elif isinstance(prop, AngleProperty):
            _draw_angles(visualizer, boxes * zoom, rows, prop.period, color)
        elif isinstance(prop, VectorProperty) and prop.is_displacement:
            starts = _centers(boxes) * zoom
            _draw_arrows(visualizer, starts, starts + rows * zoom, color)
        else:
            for words, row in zip(texts, rows.reshape(len(rows), -1), strict=True):
                words += describe(name, row)
    lines = ['\n'.join(words) for words in texts]
    _write(visualizer, boxes * zoom, lines, text_color or color)


def describe(name: str, row: np.ndarray) -> list[str]:
    """Returns the text of a property of one object; [] if it is unlabeled.

    Args:
        name: Name of the property.
        row: (D,) numbers.
    """
    if np.isnan(row).all():
        return []
    return [' '.join([name, *map(_number, row.tolist())])]


def _number(value: float) -> str:
    """Formats with three significant digits, or all digits before the point."""
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return '?' if np.isnan(value) else f'{value:.{decimals}f}'


def _centers(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _shorter_sides(boxes: np.ndarray) -> np.ndarray:
    return np.abs(boxes[:, 2:] - boxes[:, :2]).min(axis=1)


def _draw_keypoints(
    visualizer: Visualizer,
    boxes: np.ndarray,
    points: np.ndarray,
    color: Color,
    skeleton: Skeleton,
) -> None:
    """Draws keypoints, (N, J, 2), as dots and the skeleton as lines."""
    size = visualizer.width, visualizer.height
    limbs = [pair for pair in skeleton if max(pair) < points.shape[1]]
    starts, ends = (
        points[:, [pair[end] for pair in limbs]].reshape(-1, 2) for end in (0, 1)
    )
    _draw_lines(visualizer, starts, ends, color)
    radii = np.clip(_shorter_sides(boxes) * DOT_SHARE, *DOT_RADII)
    radii = np.repeat(radii, points.shape[1])
    dots = points.reshape(-1, 2)
    inside = ((dots >= 0) & (dots < size)).all(axis=1)
    if not inside.any():
        return
    with warnings.catch_warnings():  # of dots that cross the border
        warnings.filterwarnings('ignore', message='.*out of bounds')
        visualizer.draw_circles(
            dots[inside],
            radii[inside],
            edge_colors='w',
            line_widths=1,
            face_colors=color,
        )


def _draw_angles(
    visualizer: Visualizer,
    boxes: np.ndarray,
    angles: np.ndarray,
    period: float,
    color: Color,
) -> None:
    """Draws angles, (N,) degrees, as arrows, or as lines if the period is shorter."""
    starts, lengths = _centers(boxes), _shorter_sides(boxes) * ARROW_SHARE
    for turn in range(max(1, round(FULL_TURN / period))):
        radians = np.deg2rad(angles + turn * period)
        directions = np.stack([np.cos(radians), np.sin(radians)], axis=1)
        ends = starts + lengths[:, None] * directions
        if period == FULL_TURN:
            _draw_arrows(visualizer, starts, ends, color)
        else:
            _draw_lines(visualizer, starts, ends, color)


def _draw_arrows(
    visualizer: Visualizer, starts: np.ndarray, ends: np.ndarray, color: Color
) -> None:
    """Draws arrows from (N, 2) starts to (N, 2) ends."""
    vectors = ends - starts
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    _draw_lines(visualizer, starts, ends, color)
    with np.errstate(invalid='ignore', divide='ignore'):
        heads = vectors / lengths * np.clip(lengths * HEAD_SHARE, *HEAD_LENGTHS)
    for angle in (HEAD_ANGLE, -HEAD_ANGLE):
        sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
        turned = heads @ np.array([[cos, sin], [-sin, cos]])
        _draw_lines(visualizer, ends, ends + turned, color)


def _draw_lines(
    visualizer: Visualizer, starts: np.ndarray, ends: np.ndarray, color: Color
) -> None:
    """Draws lines, clipped to the image; those with a NaN end are left out."""
    known = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    size = np.subtract((visualizer.width, visualizer.height), 1.0)
    clipped = [
        line
        for start, end in zip(starts[known], ends[known], strict=True)
        if (line := _clip(start, end, size)) is not None
    ]
    if clipped:
        lines = np.array(clipped)  # (lines, ends, xy)
        visualizer.draw_lines(
            lines[..., 0], lines[..., 1], colors=color, line_widths=LINE_WIDTH
        )


def _clip(start: np.ndarray, end: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """Clips a line to 0..size; returns its (2, 2) ends, or None if it lies outside."""
    vector = end - start
    with np.errstate(divide='ignore', invalid='ignore'):
        # Fractions of the line at which it crosses the borders, for x and y.
        bounds = np.sort(np.stack([-start / vector, (size - start) / vector]), axis=0)
    parallel = vector == 0
    if (parallel & ((start < 0) | (start > size))).any():
        return None
    first = max(0.0, *np.where(parallel, 0, bounds[0]))
    last = min(1.0, *np.where(parallel, 1, bounds[1]))
    if first > last:
        return None
    return np.stack([start + first * vector, start + last * vector])


def _write(
    visualizer: Visualizer, boxes: np.ndarray, texts: Sequence[str], color: Color
) -> None:
    """Writes texts into the lower left corners of boxes."""
    chosen = [number for number, text in enumerate(texts) if text]
    if not chosen:
        return
    size = np.subtract((visualizer.width, visualizer.height), 1.0)
    corners = np.clip(boxes[chosen][:, [0, 3]] + (2, -2), 0, size)
    sizes = np.clip(_shorter_sides(boxes[chosen]) * FONT_SHARE, *FONT_SIZES)
    visualizer.draw_texts(
        [escape_math(texts[number]) for number in chosen],
        corners,
        font_sizes=sizes.tolist(),
        colors=color,
        vertical_alignments='bottom',
        bboxes=dict(facecolor='black', alpha=0.7, pad=1, edgecolor='none'),
    )
