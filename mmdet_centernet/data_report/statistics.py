"""Statistics of training targets: sizes in cells, shared cells, properties.

Legend: I images, N objects, D numbers per property.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.data_report.findings import Fault

SHARED_ALLOWED = 0.01
"""COCO has less than a tenth of that at stride 4 (paper, section 5.1)."""
THIN_ALLOWED = 0.05
MAX_RANGES = 4
"""Properties with more numbers, such as keypoints, are described without ranges."""


class PropertyCount(NamedTuple):
    """Statistics of one property.

    Attributes:
        num_objects: Objects, N.
        num_labeled: Objects with at least one number.
        share: Share of the D numbers that labeled objects have.
        least: (D,) minimum of each number; infinite if there is none.
        most: (D,) maximum of each number.
    """

    num_objects: int
    num_labeled: int
    share: float
    least: np.ndarray
    most: np.ndarray


@dataclass(frozen=True)
class TargetStatistics:
    """Statistics over the targets of many images.

    Attributes:
        num_objects: (I,) supervised objects per image.
        sizes: (N, 2) width and height in cells.
        shares_peak: (N,) bool: the center cell holds the center of another object of
            the same class, so that both form one peak.
        shares_cell: (N,) bool: the center cell holds the center of another object, so
            that one cell has two target sizes.
        num_dropped: Boxes without a finite, positive area on the map.
        num_mislabeled: Boxes with a label that the head does not have.
        num_clipped: Boxes without area after clipping to the last cell.
        cells: (I, 2) width and height of the map.
        properties: Statistics of the properties, by name.
    """

    num_objects: np.ndarray
    sizes: np.ndarray
    shares_peak: np.ndarray
    shares_cell: np.ndarray
    num_dropped: int
    num_mislabeled: int
    num_clipped: int
    cells: np.ndarray
    properties: Mapping[str, PropertyCount] = field(default_factory=dict)

    @property
    def shorter_sides(self) -> np.ndarray:
        """(N,) in cells."""
        return self.sizes.min(axis=1)

    @property
    def thin(self) -> np.ndarray:
        """(N,) bool: objects thinner than a cell."""
        return self.shorter_sides < 1


def collect(
    images: Iterable[CenterTargets], values: Sequence[Mapping[str, np.ndarray]] = ()
) -> TargetStatistics:
    """Computes statistics over images.

    Args:
        images: Targets of each image, B = 1.
        values: Properties of the objects of each image, by name.

    Raises:
        ValueError: If there is no image.
    """
    parts = [_count(targets) for targets in images]
    if not parts:
        raise ValueError('there is no image to count objects on')
    sizes, peaks, cells = (
        np.concatenate([part[i] for part in parts]) for i in range(3)
    )
    return TargetStatistics(
        num_objects=np.array([len(part[0]) for part in parts]),
        sizes=sizes,
        shares_peak=peaks,
        shares_cell=cells,
        num_dropped=sum(part[3] for part in parts),
        num_mislabeled=sum(part[4] for part in parts),
        num_clipped=sum(part[5] for part in parts),
        cells=np.array([part[6] for part in parts]),
        properties=count_properties(values),
    )


def _count(targets: CenterTargets) -> tuple:
    """Returns the fields of ``TargetStatistics`` for one image."""
    height, width = targets.shape[2:]
    valid = targets.valid
    clipped = ~(valid | targets.dropped | targets.mislabeled)
    return (
        targets.sizes[valid].numpy(),
        shares_cell(targets, same_class=True)[valid.numpy()],
        shares_cell(targets, same_class=False)[valid.numpy()],
        int(targets.dropped.sum()),
        int((targets.mislabeled & ~targets.dropped).sum()),
        int(clipped.sum()),
        (width, height),
    )


def shares_cell(targets: CenterTargets, *, same_class: bool) -> np.ndarray:
    """Finds objects whose center cell holds the center of another object.

    Args:
        targets: Targets of one image.
        same_class: Compare objects of the same class only.

    Returns:
        (N,) bool.
    """
    width = targets.shape[3]
    cells = targets.centers[:, 1] * width + targets.centers[:, 0]  # (N,)
    if same_class:
        cells = cells * targets.shape[1] + targets.labels
    found, counts = np.unique(cells[targets.valid], return_counts=True)
    return targets.valid.numpy() & np.isin(cells, found[counts > 1])


def count_properties(
    images: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, PropertyCount]:
    """Computes statistics of properties over images.

    Args:
        images: Values of the objects of each image, (n, row_shape...), by name.

    Returns:
        Statistics by name.
    """
    names = images[0] if images else ()
    return {name: _count_one([values[name] for values in images]) for name in names}


def _count_one(images: Sequence[np.ndarray]) -> PropertyCount:
    numbers = np.concatenate(images)
    num_columns = int(np.prod(numbers.shape[1:], dtype=int))
    numbers = numbers.reshape(len(numbers), num_columns)  # (N, D)
    known = ~np.isnan(numbers)
    labeled = known.any(axis=1)
    return PropertyCount(
        num_objects=len(numbers),
        num_labeled=int(labeled.sum()),
        share=float(known[labeled].mean()) if labeled.any() else 0.0,
        least=np.min(numbers, axis=0, where=known, initial=np.inf),
        most=np.max(numbers, axis=0, where=known, initial=-np.inf),
    )


def describe_properties(counts: Mapping[str, PropertyCount]) -> str:
    """Describes properties, one per line."""
    return '\n'.join(f'    {name}: {_describe(one)}' for name, one in counts.items())


def _describe(count: PropertyCount) -> str:
    text = f'{count.num_labeled:,} of {count.num_objects:,} objects are labeled'
    if not count.num_labeled:
        return text
    if len(count.least) > MAX_RANGES:
        return f'{text}, with {count.share:.1%} of {len(count.least)} numbers'
    ranges = [
        f'{least:.4g} to {most:.4g}'
        for least, most in zip(count.least, count.most, strict=True)
    ]
    return f'{text}, {", ".join(ranges)}'


def check_properties(counts: Mapping[str, PropertyCount]) -> list[str]:
    """Finds properties without any label."""
    return [
        f'no object is labeled with {name} after the training pipeline: the head '
        'cannot learn it; check the annotations and LoadProperties'
        for name, count in counts.items()
        if count.num_objects and not count.num_labeled
    ]


def check_targets(statistics: TargetStatistics) -> list[str]:
    """Finds targets that the head cannot learn, such as too small objects."""
    found = [
        *_mislabeled(statistics),
        *_dropped(statistics),
        *check_properties(statistics.properties),
    ]
    if not len(statistics.sizes):
        text = 'no image has an object: check the annotations and the pipeline'
        return found or [text]
    return found + _thin(statistics) + _shared(statistics)


def _thin(statistics: TargetStatistics) -> list[str]:
    thin = statistics.thin.mean()
    if thin <= THIN_ALLOWED:
        return []
    side = np.quantile(statistics.shorter_sides, THIN_ALLOWED)
    return [
        f'{thin:.1%} of the objects are thinner than a cell: enlarge the network '
        f'input. {1 / side:.1f} times its width and height would leave '
        f'{THIN_ALLOWED:.0%}'
    ]


def _shared(statistics: TargetStatistics) -> list[str]:
    shared = statistics.shares_peak.mean()
    if shared <= SHARED_ALLOWED:
        return []
    return [
        f'{shared:.1%} of the objects share a cell with an object of their class; only '
        'one of them can be detected: enlarge the network input'
    ]


def _dropped(statistics: TargetStatistics) -> list[str]:
    if not statistics.num_dropped:
        return []
    return [
        f'{statistics.num_dropped} boxes are not finite, have no area or lie outside '
        'the map after the training pipeline: they are left out'
    ]


def _mislabeled(statistics: TargetStatistics) -> list[str]:
    count = statistics.num_mislabeled
    if not count:
        return []
    return [
        Fault(
            f'{count} boxes have a label after the training pipeline that the head '
            'lacks, which stops training: see the findings on categories, classes and '
            'num_classes'
        )
    ]
