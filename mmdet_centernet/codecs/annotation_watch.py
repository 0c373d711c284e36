"""Which annotations cannot be learned."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs.targets import CenterTargets


def check_annotations(
    boxes: Sequence[Tensor], labels: Sequence[Tensor], num_images: int
) -> None:
    """Check what can be known of the annotations of a batch without their values.

    Args:
        boxes: For each image (n, 4) boxes.
        labels: For each image (n,) classes.
        num_images: Images of the batch, B.

    Raises:
        ValueError: If a batch is empty, or shapes or types do not fit.
    """
    if not num_images or not len(boxes) == len(labels) == num_images:
        raise ValueError(
            f'{len(boxes)} lists of boxes and {len(labels)} of labels for '
            f'{num_images} images: give one of each an image, and at least one image'
        )
    for number, (one, classes) in enumerate(zip(boxes, labels, strict=True)):
        if one.shape != (len(classes), 4) or classes.ndim != 1:
            raise ValueError(
                f'image {number} of the batch has boxes of shape {tuple(one.shape)} '
                f'and labels of shape {tuple(classes.shape)}; give (n, 4) and (n,)'
            )
        if len(classes) and (classes.is_floating_point() or classes.is_complex()):
            raise ValueError(
                f'labels of image {number} of the batch are {classes.dtype}; give '
                'integers, such as torch.long'
            )


class AnnotationWatch:
    """Tells of unusable boxes and labels without waiting for the device.

    On a CPU it tells at once. On an accelerator the counts are copied in the background
    and looked at when a later batch comes, since reading them would stall training.

    Attributes:
        num_dropped: Boxes dropped so far.
    """

    def __init__(self) -> None:
        self.num_dropped = 0
        self._named: set[str] = set()
        self._reports: deque[_Report] = deque()

    def look(self, targets: CenterTargets, names: Sequence[str]) -> None:
        """Count what is unusable in a batch.

        Args:
            targets: Targets of the batch.
            names: Names of its B images.

        Raises:
            ValueError: If a label lies outside the classes of the head.
        """
        num_images, num_classes = targets.shape[:2]
        unusable = torch.stack([targets.dropped, targets.mislabeled]).long()
        counts = unusable.new_zeros(2, num_images)
        counts.index_add_(1, targets.images, unusable)
        self._reports.append(_Report(*fetch(counts), tuple(names), num_classes))
        while self._reports and self._reports[0].is_ready():
            self._tell(self._reports.popleft())

    def _tell(self, report: _Report) -> None:
        """Warn once for each image with unusable boxes; refuse unknown labels."""
        rows = zip(report.names, *report.counts.tolist(), strict=True)
        for name, dropped, mislabeled in rows:
            if mislabeled:
                raise ValueError(
                    f'{mislabeled} labels of {name} lie outside '
                    f'[0, {report.num_classes}): set num_classes of the head to the '
                    'number of classes of the dataset, and metainfo of the dataset to '
                    "the annotation file's classes"
                )
            self.num_dropped += dropped
            if dropped and name not in self._named:
                self._named.add(name)
                warnings.warn(
                    f'{dropped} boxes of {name} are not finite, have no area, or lie '
                    f'outside the image; they are not learned ({self.num_dropped} so '
                    'far). Correct or remove them in the annotation file.',
                    stacklevel=2,
                )


class _Report(NamedTuple):
    """What there is to tell about a batch.

    Attributes:
        counts: (2, B) dropped boxes and unknown labels of each image.
        is_ready: Whether the counts can be read without waiting.
        names: Names of the images.
        num_classes: How many, C.
    """

    counts: Tensor
    is_ready: Callable[[], bool]
    names: tuple[str, ...]
    num_classes: int


def fetch(counts: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """Start a copy to the host.

    Args:
        counts: Tensor on any device.

    Returns:
        The copy, and a function that says whether it has arrived.
    """
    if not counts.is_cuda:
        return counts, lambda: True
    counts = counts.to('cpu', non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()
    return counts, arrived.query
