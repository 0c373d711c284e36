"""Text of the report on a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmdet_centernet.data_report.annotations import KEPT, Annotations, drop_reasons
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.statistics import (
    TargetStatistics,
    describe_properties,
)


def describe_files(splits: Mapping[str, Sequence[Annotations]]) -> str:
    """Describes the contents of annotation files.

    Args:
        splits: Split, such as ``train``, to its files.
    """
    return '\n'.join(
        f'{split}: {_describe_file(file)}'
        for split, files in splits.items()
        for file in files
    )


def describe_targets(statistics: TargetStatistics | None) -> str:
    """Describes the objects after the training pipeline.

    Args:
        statistics: Their statistics; None if there are none.
    """
    if statistics is None:
        return 'No image was checked after the training pipeline.'
    parts = _describe_targets(statistics), describe_properties(statistics.properties)
    return '\n'.join(part for part in parts if part)


def list_findings(findings: Sequence[str]) -> str:
    """Lists findings, one per line: ``ERROR`` for faults, else ``WARNING``."""
    lines = [
        f'{"ERROR" if isinstance(text, Fault) else "WARNING"}: {text}'
        for text in findings
    ]
    return '\n'.join(lines or ['No findings.'])


def _describe_file(file: Annotations) -> str:
    kept = int((drop_reasons(file) == KEPT).sum())
    if not file.has_annotations:
        return f'{file.source}\n    {len(file.image_paths):,} images, no annotations'
    return (
        f'{file.source}\n'
        f'    {len(file.image_paths):,} images, {len(file.boxes):,} boxes, of which '
        f'{len(file.boxes) - kept:,} are left out and {int(file.crowds.sum()):,} are '
        f'crowds or difficult; {len(file.classes)} classes'
    )


def _describe_targets(statistics: TargetStatistics) -> str:
    counts, cells = statistics.num_objects, statistics.cells
    text = (
        f'After the training pipeline, on {len(counts):,} images:\n'
        f'    {_range(cells[:, 0])} x {_range(cells[:, 1])} cells\n'
        f'    {counts.sum():,} objects, {counts.mean():.1f} per image, '
        f'{counts.max()} at most, {(counts == 0).sum():,} images without objects'
    )
    if not len(statistics.sizes):
        return text
    low, median, high = np.quantile(statistics.shorter_sides, (0.05, 0.5, 0.95))
    return (
        f'{text}\n'
        f'    shorter side in cells: median {median:.1f}, 90 % between {low:.1f} and '
        f'{high:.1f}\n'
        f'    {_share(statistics.thin)} are thinner than a cell\n'
        f'    {_share(statistics.shares_peak)} share a cell with an object of their '
        'class\n'
        f'    {_share(statistics.shares_cell)} share a cell with an object of any '
        'class\n'
        f'    {statistics.num_clipped:,} more lie beyond the last cell and are left out'
    )


def _range(values: np.ndarray) -> str:
    least, most = values.min(), values.max()
    return str(least) if least == most else f'{least} to {most}'


def _share(chosen: Sequence[bool] | np.ndarray) -> str:
    return f'{np.sum(chosen):,} ({np.mean(chosen):.1%})'
