"""Formats the table and plots the sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmdet_centernet.files import write_figure

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLUMNS = '{:34} {:>10} {:>10} {:>8} {:>10}'
SIDES = {'ours': '#0072b2', 'stock': '#d55e00', 'floor': '#999999'}
LABELS = {
    'objects': 'objects in the batch',
    'classes': 'classes',
    'cells': 'side of the map in cells',
}


def print_header() -> None:
    """Prints the names of the columns."""
    print(COLUMNS.format('', 'ours', 'stock', 'ratio', 'floor'))


def format_row(row: dict) -> str:
    """Formats a line of the table; the ratio is stock divided by ours."""
    ours, stock = row.get('ours'), row.get('stock')
    ratio = f'{stock / ours:.1f}' if ours and stock else ''
    cells = [_figure(row.get(side), row['unit']) for side in ('ours', 'stock', 'floor')]
    return COLUMNS.format(row['what'], cells[0], cells[1], ratio, cells[2])


def _figure(value: float | None, unit: str) -> str:
    return '' if value is None else f'{value:.3g} {unit}'


def draw_sweeps(sweeps: Sequence[dict], folder: Path) -> list[Path]:
    """Writes a plot for each varied quantity: time on the left, memory on the right."""
    files = []
    for sweep in sweeps:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
        _draw(left, sweep, 'time', 'ms, forward and backward')
        _draw(right, sweep, 'memory', 'extra memory / logits')
        left.legend(frameon=False)
        figure.tight_layout()
        files.append(folder / f'losses_by_{sweep["axis"]}.png')
        write_figure(files[-1], figure)
        plt.close(figure)
    return files


def _draw(axes: Axes, sweep: dict, quantity: str, label: str) -> None:
    for side, color in SIDES.items():
        points = [
            (point['at'], point[quantity][side])
            for point in sweep['points']
            if point[quantity][side] is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker='o', color=color, label=side)
    axes.set(xscale='log', yscale='log', xlabel=LABELS[sweep['axis']], ylabel=label)
    axes.grid(alpha=0.3)
