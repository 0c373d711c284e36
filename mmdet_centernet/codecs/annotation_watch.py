"""Which annotations cannot be learned."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from mmdet_centernet.codecs.targets import CenterTargets


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
        self._pending: deque[tuple[Tensor, torch.cuda.Event | None, list[str], int]] = (
            deque()
        )

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
        event = None
        if counts.is_cuda:
            counts = counts.to('cpu', non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._pending.append((counts, event, list(names), num_classes))
        while self._pending and _arrived(self._pending[0][1]):
            counts, _, names, num_classes = self._pending.popleft()
            self._tell(counts, names, num_classes)

    def _tell(self, counts: Tensor, names: Sequence[str], num_classes: int) -> None:
        """Warn once for each image with unusable boxes; refuse unknown labels."""
        for name, dropped, mislabeled in zip(names, *counts.tolist(), strict=True):
            if mislabeled:
                raise ValueError(
                    f'{mislabeled} labels of {name} lie outside [0, {num_classes}): '
                    'set num_classes of the head to the number of classes of the '
                    "dataset, and metainfo of the dataset to the annotation file's "
                    'classes'
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


def _arrived(event: torch.cuda.Event | None) -> bool:
    return event is None or event.query()
