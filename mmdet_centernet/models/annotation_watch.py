"""Counts boxes and labels that cannot be learned, and reports them."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs import CenterTargets


class AnnotationWatch:
    """Reports unusable boxes and labels without a device sync.

    On a CPU the report is immediate. On an accelerator the counts are copied
    asynchronously and reported with a later batch, since reading them at once would
    stall training.

    Attributes:
        num_dropped: Boxes dropped so far.
    """

    def __init__(self) -> None:
        self.num_dropped = 0
        self._reported: set[str] = set()
        self._pending: deque[_Counts] = deque()

    def check(self, targets: CenterTargets, names: Sequence[str]) -> None:
        """Counts the unusable boxes and labels of a batch; reports those that arrived.

        Args:
            targets: Targets of the batch.
            names: Names of its B images.

        Raises:
            ValueError: If a label lies outside the classes of the head.
        """
        num_images, num_classes = targets.shape[:2]
        unusable = torch.stack([targets.dropped, targets.mislabeled]).long()  # (2, N)
        counts = unusable.new_zeros(2, num_images)
        counts.index_add_(1, targets.images, unusable)
        self._pending.append(_Counts(*fetch(counts), tuple(names), num_classes))
        while self._pending and self._pending[0].is_ready():
            self._report(self._pending.popleft())

    def _report(self, batch: _Counts) -> None:
        """Warns once for each image with unusable boxes; rejects unknown labels."""
        rows = zip(batch.names, *batch.counts.tolist(), strict=True)
        for name, dropped, mislabeled in rows:
            if mislabeled:
                raise ValueError(
                    f'{mislabeled} labels of {name} lie outside '
                    f'[0, {batch.num_classes}): set num_classes of the head to the '
                    'number of classes of the dataset, and metainfo of the dataset to '
                    "the annotation file's classes"
                )
            self.num_dropped += dropped
            if dropped and name not in self._reported:
                self._reported.add(name)
                warnings.warn(
                    f'{dropped} boxes of {name} are not finite, have no area, or lie '
                    f'outside the image; they are not learned ({self.num_dropped} so '
                    'far). Correct or remove them in the annotation file.',
                    stacklevel=2,
                )


class _Counts(NamedTuple):
    """Unusable annotations of a batch.

    Attributes:
        counts: (2, B) dropped boxes and unknown labels of each image, on the host.
        is_ready: Returns whether the copy to the host is complete.
        names: Names of the images.
        num_classes: Number of classes, C.
    """

    counts: Tensor
    is_ready: Callable[[], bool]
    names: tuple[str, ...]
    num_classes: int


def fetch(counts: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """Starts an asynchronous copy to the host.

    Args:
        counts: Tensor on any device.

    Returns:
        The copy, and a function that returns whether it is complete.
    """
    if not counts.is_cuda:
        return counts, lambda: True
    counts = counts.to('cpu', non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()
    return counts, arrived.query
