"""The summary of a dataset as a figure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdet_centernet.data_report.statistics import TargetStatistics
from mmdet_centernet.hooks.heatmap_picture import plain

MAX_BARS = 80
"""Classes that have a bar of their own."""
MAX_NAMES = 25
"""Classes whose names can be read below their bars."""
SHORT_NAME = 3
"""Letters that fit below a bar without turning them."""
BLUE, RED = '#0072b2', '#d55e00'


def plot_summary(statistics: TargetStatistics, classes: Mapping[str, int]) -> Figure:
    """Plot objects an image, sizes in cells and boxes a class.

    Args:
        statistics: What leaves the training pipeline.
        classes: Boxes of each class in the annotation files.
    """
    figure = Figure(figsize=(13, 4), layout='constrained')
    count, size, kind = figure.subplots(1, 3)
    _plot_counts(count, statistics.num_objects)
    _plot_sizes(size, statistics)
    _plot_classes(kind, classes)
    return figure


def _plot_counts(axes: Axes, counts: np.ndarray) -> None:
    edges = np.unique(np.linspace(0, counts.max() + 1, 41).astype(int)) - 0.5
    axes.hist(counts, bins=edges.tolist(), color=BLUE, rwidth=0.9)
    axes.set(xlabel='objects', ylabel='images', title='Objects an image')


def _plot_sizes(axes: Axes, statistics: TargetStatistics) -> None:
    axes.axvspan(1e-2, 1, color=RED, alpha=0.12, lw=0)
    axes.axhspan(1e-2, 1, color=RED, alpha=0.12, lw=0, label='thinner than a cell')
    shared = statistics.shares_peak
    for chosen, colour, area, label in (
        (~shared, BLUE, 6, 'alone in its cell'),
        (shared, RED, 16, 'shares a cell with its class'),
    ):
        widths, heights = statistics.sizes[chosen].T
        axes.scatter(widths, heights, area, color=colour, alpha=0.5, label=label, lw=0)
    largest = max(2.0, float(statistics.cells.max()))
    least = min(0.5, float(statistics.sizes.min(initial=0.5)) * 0.8)
    axes.set_xscale('log', base=2)
    axes.set_yscale('log', base=2)
    axes.set(
        xlim=(least, largest),
        ylim=(least, largest),
        xlabel='width in cells',
        ylabel='height in cells',
        title=f'{_share(statistics.thin):.1%} thinner than a cell, '
        f'{_share(shared):.1%} share one',
    )
    axes.legend(loc='lower right', fontsize=8, markerscale=3)


def _share(chosen: np.ndarray) -> float:
    return float(chosen.mean()) if chosen.size else 0.0


def _plot_classes(axes: Axes, classes: Mapping[str, int]) -> None:
    ranked = sorted(classes.items(), key=lambda item: -item[1])[:MAX_BARS]
    names, counts = [name for name, _ in ranked], [count for _, count in ranked]
    places = range(len(names))
    axes.bar(places, counts, color=BLUE)
    if len(names) <= MAX_NAMES:
        upright = max(map(len, names), default=0) > SHORT_NAME
        axes.set_xticks(places, list(map(plain, names)), rotation=90 if upright else 0)
    axes.set(ylabel='boxes', title='Boxes a class')
