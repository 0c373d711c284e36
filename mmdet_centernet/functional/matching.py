"""Matches detections to objects.

Legend: K detections, N objects, M pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

IMPOSSIBLE = -1.0
"""Overlap of a pair that must not be matched."""


def match_greedily(overlaps: Tensor, scores: Tensor, min_overlap: float) -> Tensor:
    """Matches each object to at most one detection, in descending order of scores.

    A detection is matched to the free object that it overlaps most.

    Args:
        overlaps: (K, N); negative for pairs that must not be matched.
        scores: (K,).
        min_overlap: Lowest overlap of a pair.

    Returns:
        (M, 2) int64 rows of detections and of objects.
    """
    overlaps = overlaps.clone()
    pairs = []
    for detection in scores.argsort(descending=True, stable=True).tolist():
        if not overlaps.shape[1]:
            break
        best, target = overlaps[detection].max(dim=0)
        if best >= min_overlap:
            pairs.append((detection, int(target)))
            overlaps[:, target] = IMPOSSIBLE
    return torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
