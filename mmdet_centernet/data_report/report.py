"""The check of a dataset in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.dropped import KEPT, why_dropped
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.overlap import find_twins
from mmdet_centernet.data_report.property_counts import describe_values
from mmdet_centernet.data_report.statistics import TargetStatistics, suspect_targets
from mmdet_centernet.data_report.suspicions import (
    Splits,
    suspect_file,
    suspect_splits,
)


def describe(splits: Splits) -> str:
    """What the files hold."""
    return '\n'.join(
        f'{split}: {_describe_file(file)}'
        for split, files in splits.items()
        for file in files
    )


def describe_targets(statistics: TargetStatistics | None) -> str:
    """What of it reaches the head.

    Args:
        statistics: What leaves the training pipeline; None where nothing did.
    """
    if statistics is None:
        return 'No image was looked at after the training pipeline.'
    parts = _describe_targets(statistics), describe_values(statistics.properties)
    return '\n'.join(part for part in parts if part)


def find_warnings(
    splits: Splits, statistics: TargetStatistics | None, num_classes: int | None
) -> list[str]:
    """All that is suspicious, in sentences that say what to do.

    Args:
        splits: Files of each split.
        statistics: What leaves the training pipeline, where something does.
        num_classes: Classes of the head, where it is known.
    """
    found = [
        text for files in splits.values() for f in files for text in suspect_file(f)
    ]
    found += suspect_splits(splits, num_classes)
    found += _overlap(splits)
    return found if statistics is None else found + suspect_targets(statistics)


def list_findings(findings: Sequence[str]) -> str:
    """One line each: ``ERROR`` for what stops training or evaluation."""
    lines = [
        f'{"ERROR" if isinstance(text, Fault) else "WARNING"}: {text}'
        for text in findings
    ]
    return '\n'.join(lines or ['Nothing suspicious.'])


def _describe_file(file: Annotations) -> str:
    kept = int((why_dropped(file) == KEPT).sum())
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
        f'    {counts.sum():,} objects, {counts.mean():.1f} an image, '
        f'{counts.max()} at most, {(counts == 0).sum():,} images without'
    )
    if not len(statistics.sizes):
        return text
    low, middle, high = np.quantile(statistics.shorter_sides, (0.05, 0.5, 0.95))
    return (
        f'{text}\n'
        f'    shorter side in cells: {middle:.1f} in the middle, {low:.1f} to '
        f'{high:.1f} for nine of ten\n'
        f'    {_share(statistics.thin)} are thinner than a cell\n'
        f'    {_share(statistics.shares_peak)} share a cell with another of their '
        'class\n'
        f'    {_share(statistics.shares_cell)} share a cell with another of any class\n'
        f'    {statistics.num_clipped:,} more lie behind the last cell, where boxes '
        'are cut off, and are not learned'
    )


def _overlap(splits: Splits) -> list[str]:
    paths = {
        split: [path for f in files if f.has_local_images for path in f.image_paths]
        for split, files in splits.items()
    }
    return [
        f'{len(twins.paths)} images are in {" and ".join(twins.splits)} alike, such as '
        f'{" = ".join(twins.paths[0])}: what was trained on cannot be tested on'
        for twins in find_twins(paths)
    ]


def _range(values: np.ndarray) -> str:
    least, most = values.min(), values.max()
    return str(least) if least == most else f'{least} to {most}'


def _share(chosen: Sequence[bool] | np.ndarray) -> str:
    return f'{np.sum(chosen):,} ({np.mean(chosen):.1%})'
