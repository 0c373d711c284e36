"""Which detection found which object.

Legend: K detections, N objects, M pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEVER = -1.0
"""An overlap below all that count."""


def match_greedily(overlaps: Tensor, scores: Tensor, min_overlap: float) -> Tensor:
    """Give each object to one detection, those with the best scores first.

    A detection takes the free object that it overlaps most.

    Args:
        overlaps: (K, N); negative where a pair may not be made.
        scores: (K,).
        min_overlap: The least that makes a pair.

    Returns:
        (M, 2) int64 rows of detections and of objects.
    """
    overlaps = overlaps.clone()
    pairs = []
    for detection in scores.argsort(descending=True, stable=True).tolist():
        if not overlaps.shape[1]:
            break
        best, found = overlaps[detection].max(dim=0)
        if best >= min_overlap:
            pairs.append((detection, int(found)))
            overlaps[:, found] = NEVER
    return torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
