"""What was found about keypoints, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mmdet_centernet.data_report.findings import some
from mmdet_centernet.new_config.explain import line
from mmdet_centernet.new_config.skeleton import SIGMA, Skeleton, read_points
from mmdet_centernet.new_config.split import Split

HINT = line('hint', 'categories name keypoints: with --task pose they are learned, too')
MANY = 20
"""Keypoints that are named."""


def describe_keypoints(
    skeleton: Skeleton, splits: Mapping[str, Split]
) -> Iterator[str]:
    """Keypoints, how many are labelled, and what was made of their names."""
    names, pairs, doubt = skeleton.names, *skeleton.sides
    yield line('keypoints', f'{len(names)}: {some(names, MANY)}')
    for name, split in splits.items():
        yield line('', f'{name}: {_describe_labels(split, len(names))}')
        yield from _describe_missing(split)
    exchanged = some([f'{names[a]} with {names[b]}' for a, b in pairs], MANY)
    if doubt:
        yield line('flips', f'off: {doubt}')
        yield line('', 'to have them, write flip_pairs, prob=0.5 and flip=True')
    else:
        yield line(
            'flips',
            f'on, and exchange by their names {exchanged or "no keypoints"}; if that '
            'is wrong, edit flip_pairs',
        )
    yield line('sigmas', _describe_sigmas(skeleton))


def _describe_labels(split: Split, count: int) -> str:
    labelled = ~np.isnan(read_points(split, count)).any(axis=2)  # (N, J)
    without = int((~labelled.any(axis=1)).sum())
    text = f'{labelled.sum():,} are labelled on {len(labelled):,} objects'
    return f'{text}; {without:,} have none, only a box' if without else text


def _describe_missing(split: Split) -> Iterator[str]:
    missing = [
        str(note['id'])
        for note in split.content['annotations']
        if note.get('keypoints') is None and not note.get('iscrowd')
    ]
    if missing:
        yield line('', f'no field "keypoints" in the annotations {some(missing)}')


def _describe_sigmas(skeleton: Skeleton) -> str:
    if skeleton.is_coco:
        return "COCO's, since names are those of COCO's 17 joints"
    return (
        f'{SIGMA} for all, since only those of 17 joints of persons are known: a '
        f'keypoint that is off by {SIGMA:.0%} of the root of the area counts 0.88'
    )
