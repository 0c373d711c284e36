"""Plots statistics of a training set.

Legend: I images, N objects.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdet_centernet.visualization.primitives import escape_math

MAX_BARS = 80
"""Classes that get a bar; those with fewer boxes are left out."""
MAX_NAMES = 25
"""With more classes, bars have no names."""
SHORT_NAME = 3
"""Letters that fit below a bar without rotation."""
BLUE, RED = '#0072b2', '#d55e00'


def plot_summary(
    num_objects: np.ndarray,
    sizes: np.ndarray,
    shares_peak: np.ndarray,
    map_sizes: np.ndarray,
    boxes_per_class: Mapping[str, int],
) -> Figure:
    """Plots objects per image, object sizes and boxes per class.

    Args:
        num_objects: (I,) objects per image.
        sizes: (N, 2) width and height in cells.
        shares_peak: (N,) bool: shares the center cell with an object of its class.
        map_sizes: (I, 2) width and height of the output map.
        boxes_per_class: Boxes of each class in the annotation files.
    """
    figure = Figure(figsize=(13, 4), layout='constrained')
    count_axes, size_axes, class_axes = figure.subplots(1, 3)
    _plot_counts(count_axes, num_objects)
    _plot_sizes(size_axes, sizes, shares_peak, float(map_sizes.max()))
    _plot_classes(class_axes, boxes_per_class)
    return figure


def _plot_counts(axes: Axes, counts: np.ndarray) -> None:
    edges = np.unique(np.linspace(0, counts.max() + 1, 41).astype(int)) - 0.5
    axes.hist(counts, bins=edges.tolist(), color=BLUE, rwidth=0.9)
    axes.set(xlabel='objects', ylabel='images', title='Objects per image')


def _plot_sizes(
    axes: Axes, sizes: np.ndarray, shared: np.ndarray, largest: float
) -> None:
    axes.axvspan(1e-2, 1, color=RED, alpha=0.12, lw=0)
    axes.axhspan(1e-2, 1, color=RED, alpha=0.12, lw=0, label='thinner than a cell')
    for chosen, color, area, label in (
        (~shared, BLUE, 6, 'alone in its cell'),
        (shared, RED, 16, 'shares a cell with its class'),
    ):
        widths, heights = sizes[chosen].T
        axes.scatter(widths, heights, area, color=color, alpha=0.5, label=label, lw=0)
    limits = min(0.5, float(sizes.min(initial=0.5)) * 0.8), max(2.0, largest)
    axes.set_xscale('log', base=2)
    axes.set_yscale('log', base=2)
    thin = sizes.min(axis=1) < 1
    axes.set(
        xlim=limits,
        ylim=limits,
        xlabel='width in cells',
        ylabel='height in cells',
        title=f'{_share(thin):.1%} thinner than a cell, {_share(shared):.1%} share one',
    )
    axes.legend(loc='lower right', fontsize=8, markerscale=3)


def _share(chosen: np.ndarray) -> float:
    return float(chosen.mean()) if chosen.size else 0.0


def _plot_classes(axes: Axes, boxes_per_class: Mapping[str, int]) -> None:
    ranked = sorted(boxes_per_class.items(), key=lambda item: -item[1])[:MAX_BARS]
    names, counts = [name for name, _ in ranked], [count for _, count in ranked]
    places = range(len(names))
    axes.bar(places, counts, color=BLUE)
    if len(names) <= MAX_NAMES:
        rotation = 90 if max(map(len, names), default=0) > SHORT_NAME else 0
        axes.set_xticks(places, list(map(escape_math, names)), rotation=rotation)
    axes.set(ylabel='boxes', title='Boxes per class')
