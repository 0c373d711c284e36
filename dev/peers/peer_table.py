"""Computes the table of peers and its plot from the results of the trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, NamedTuple

from matplotlib.figure import Figure

AP = 'coco/bbox_mAP'
METRICS = {'AP': AP, 'AP50': 'coco/bbox_mAP_50', 'AP75': 'coco/bbox_mAP_75'}
CLASS_SUFFIX = '_precision'
"""CocoMetric calls the AP of class RBC `coco/RBC_precision`."""


class Row(NamedTuple):
    """What is known of a detector.

    Attributes:
        label: First cell.
        tried: Learning rate to AP on val.json.
        rate: Learning rate of the results.
        results: What `run_trial.py` wrote for test.json, of each seed.
    """

    label: str
    tried: Mapping[float, float]
    rate: float
    results: Sequence[Mapping[str, Any]]


def best_rate(tried: Mapping[float, float]) -> float:
    """Returns the learning rate with the highest AP; of equal ones the first."""
    return max(tried, key=tried.__getitem__)


def table(rows: Sequence[Row]) -> str:
    """Returns the table in Markdown; detectors without a result are left out."""
    lines = [cells(row) for row in rows if row.results]
    if not lines:
        return ''
    columns = list(lines[0])
    texts = [columns, ['---'] * len(columns), *(line.values() for line in lines)]
    return ''.join(f'| {" | ".join(line)} |\n' for line in texts)


def cells(row: Row) -> dict[str, str]:
    """Returns the cells of a row by column."""
    metrics = [result['metrics'] for result in row.results]
    classes = [key for key in metrics[0] if key.endswith(CLASS_SUFFIX)]
    return {
        'detector': row.label,
        **{name: _spread([m[key] for m in metrics]) for name, key in METRICS.items()},
        **{_class_name(key): f'{mean(m[key] for m in metrics):.3f}' for key in classes},
        'train s (CPU)': f'{_mean(row, "cpu_seconds"):.0f}',
        'M params': f'{_mean(row, "params") / 1e6:.1f}',
        'GMACs': f'{_mean(row, "macs") / 1e9:.1f}',
        'latency ms': f'{_mean(row, "latency_ms"):.0f}',
        'seeds': str(len(row.results)),
        'learning rate': f'{row.rate:g}',
        'AP on val.json by learning rate': _tried(row.tried),
    }


def plot(rows: Sequence[Row]) -> Figure:
    """Plots AP against CPU seconds of training; bars reach over the seeds."""
    figure = Figure(figsize=(7, 4.2))
    axes = figure.subplots()
    for row in (row for row in rows if row.results):
        values = [result['metrics'][AP] for result in row.results]
        middle, seconds = mean(values), _mean(row, 'cpu_seconds')
        bars = [[middle - min(values)], [max(values) - middle]]
        axes.errorbar(
            seconds, middle, yerr=bars, marker='o', ls='', capsize=3, label=row.label
        )
    axes.set(xlabel='CPU seconds of training', ylabel='AP on test.json')
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, loc='lower right')
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    return figure


def _spread(values: Sequence[float]) -> str:
    """Mean, and lowest and highest where there are several."""
    if len(values) == 1:
        return f'{values[0]:.3f}'
    return f'{mean(values):.3f} ({min(values):.3f} - {max(values):.3f})'


def _class_name(key: str) -> str:
    return key.rpartition('/')[2].removesuffix(CLASS_SUFFIX)


def _mean(row: Row, name: str) -> float:
    return mean(result[name] for result in row.results)


def _tried(tried: Mapping[float, float]) -> str:
    return ', '.join(f'{rate:g}: {value:.3f}' for rate, value in tried.items())
