"""How large are the objects in cells, and how many share one?

Legend: I images, N objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.property_counts import (
    PropertyCount,
    count_values,
    suspect_values,
)

SHARED_ALLOWED = 0.01
"""COCO has less than a tenth of that at stride 4 (paper, section 5.1)."""
THIN_ALLOWED = 0.05


@dataclass(frozen=True)
class TargetStatistics:
    """Numbers about many images.

    Attributes:
        num_objects: (I,) objects that are taught.
        sizes: (N, 2) width and height in cells.
        shares_peak: (N,) bool: centre in one cell with another of the class, so that
            both make one peak.
        shares_cell: (N,) bool: centre in one cell with another of any class, so that
            both sizes are asked of the same cell.
        num_dropped: Boxes without a finite, positive area on the map.
        num_mislabeled: Boxes with a label that the head does not have.
        num_clipped: Boxes that nothing is left of after clipping to the last cell.
        cells: (I, 2) width and height of the map.
        properties: What is known of objects beside their boxes, by name.
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
    """Count over images.

    Args:
        images: Targets of each, B = 1.
        values: Properties of the objects of each by name.

    Raises:
        ValueError: If there is none.
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
        properties=count_values(values),
    )


def _count(targets: CenterTargets) -> tuple:
    """The parts of the statistics for one image."""
    height, width = targets.shape[2:]
    valid = targets.valid
    clipped = ~(valid | targets.dropped | targets.mislabeled)
    return (
        targets.sizes[valid].numpy(),
        sharing(targets, same_class=True)[valid.numpy()],
        sharing(targets, same_class=False)[valid.numpy()],
        int(targets.dropped.sum()),
        int((targets.mislabeled & ~targets.dropped).sum()),
        int(clipped.sum()),
        (width, height),
    )


def sharing(targets: CenterTargets, *, same_class: bool) -> np.ndarray:
    """Which objects have their centre in one cell with another.

    Args:
        targets: Those of one image.
        same_class: Look at objects of the same class only.

    Returns:
        (N,) bool.
    """
    width = targets.shape[3]
    places = targets.centers[:, 1] * width + targets.centers[:, 0]
    if same_class:
        places = places * targets.shape[1] + targets.labels
    found, counts = np.unique(places[targets.valid], return_counts=True)
    return targets.valid.numpy() & np.isin(places, found[counts > 1])


def suspect_targets(statistics: TargetStatistics) -> list[str]:
    """Warn where the network input is too small for the objects.

    Returns:
        Sentences, each with what to do.
    """
    found = _suspect_labels(statistics) + suspect_values(statistics.properties)
    if not len(statistics.sizes):
        text = 'no image has an object: look at the annotations and at the pipeline'
        return found or [text]
    thin = statistics.thin.mean()
    if thin > THIN_ALLOWED:
        side = np.quantile(statistics.shorter_sides, THIN_ALLOWED)
        found.append(
            f'{thin:.1%} of the objects are thinner than a cell: the network input is '
            f'too small for them. {1 / side:.1f} times its width and height would '
            f'leave {THIN_ALLOWED:.0%}'
        )
    shared = statistics.shares_peak.mean()
    if shared > SHARED_ALLOWED:
        found.append(
            f'{shared:.1%} of the objects share a cell with another of their class, of '
            'which only one can be found: enlarge the network input'
        )
    if statistics.num_dropped:
        found.append(
            f'{statistics.num_dropped} boxes that leave the pipeline are not finite, '
            'have no area or lie outside the map: they are not learned'
        )
    return found


def _suspect_labels(statistics: TargetStatistics) -> list[str]:
    count = statistics.num_mislabeled
    if not count:
        return []
    return [
        Fault(
            f'{count} boxes that leave the pipeline have a label that the head lacks, '
            'at which training stops: look at what is said about categories, classes '
            'and num_classes'
        )
    ]
