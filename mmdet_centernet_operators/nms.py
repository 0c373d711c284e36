"""Non-maximum suppression, hard and soft, of one set of boxes.

Boxes are suppressed one after the other on the CPU: the host needs to know the number
of remaining boxes in any case.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmdet_centernet_operators.kernels import torchvision_ops

_, LINEAR, GAUSSIAN = range(3)
"""mmcv's numbers of the soft-NMS methods; 0 drops the box."""
SCORE = 4
"""Row of the scores in `_table`."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Selects the boxes that no better box overlaps by more than a threshold.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        iou_threshold: Above it, the box with the lower score is dropped.
        offset: Added to widths and heights, 0 or 1.

    Returns:
        (K,) int64, indices by descending score.
    """
    # The same unstable sort as mmcv's, so that equal scores have the same order.
    order = scores.sort(descending=True).indices
    boxes, scores = boxes[order], scores[order]
    ops = torchvision_ops()
    if ops is None or not len(boxes):
        kept = torch.from_numpy(_nms_by_loop(boxes, scores, iou_threshold, offset))
        return order[kept.to(order.device)]
    low, high = boxes.split(2, dim=-1)
    boxes = torch.cat([low, high + offset], dim=-1)
    return order[ops.nms(boxes, scores, iou_threshold)]


def _nms_by_loop(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> np.ndarray:
    """Finds the boxes to keep, given descending scores: (N,) bool."""
    table = _table(boxes, scores, offset)
    kept = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if kept[index]:
            ious = _later_ious(table, index, offset)
            kept[index + 1 :] &= ~(ious > iou_threshold)
    return kept


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lowers the scores of boxes that a better box overlaps.

    `Soft-NMS <https://arxiv.org/abs/1704.04503>`_. The first of equal scores wins. The
    last box moves into the row of a dropped one, as in mmcv, so that ties are broken in
    the same way.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        dets: (N, 5) on the CPU; its first K rows receive boxes and new scores.
        iou_threshold: IoU from which scores are lowered; the Gaussian ignores it.
        sigma: Width of the Gaussian, in squared IoU.
        min_score: Boxes with lower scores are dropped.
        method: 0 drops overlapping boxes, 1 multiplies by 1 - IoU, 2 by the Gaussian.
        offset: Added to widths and heights, 0 or 1.

    Returns:
        (K,) int64, indices of the remaining boxes, by descending new score.
    """
    table = _table(boxes, scores, offset)
    indices = np.arange(len(boxes))
    best = 0
    while best < len(indices):
        _swap(best, best + _first_best(table[SCORE, best:]), table, indices)
        ious = _later_ious(table, best, offset)
        later = table[SCORE, best + 1 :]  # a view
        later *= _weights(ious, iou_threshold, sigma, method)
        left = np.append(
            np.arange(best + 1), _fill_gaps(~(later < min_score)) + best + 1
        )
        table, indices = table[:, left], indices[left]
        best += 1
    dets[: len(indices)] = torch.from_numpy(table[: SCORE + 1].T)
    return torch.from_numpy(indices)


def _table(boxes: Tensor, scores: Tensor, offset: int) -> np.ndarray:
    """Stacks x1, y1, x2, y2, score and area of boxes: (6, N), at least float32."""
    x1, y1, x2, y2 = boxes.detach().unbind(dim=1)
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    table = torch.stack([x1, y1, x2, y2, scores.detach(), areas]).cpu()
    return table.to(torch.promote_types(table.dtype, torch.float32)).numpy()


def _later_ious(table: np.ndarray, index: int, offset: int) -> np.ndarray:
    """Computes the IoUs of a box with those after it; nan if both have no area."""
    one_x1, one_y1, one_x2, one_y2, _, one_area = table[:, index]
    x1, y1, x2, y2, _, areas = table[:, index + 1 :]
    widths = np.minimum(x2, one_x2) - np.maximum(x1, one_x1) + offset
    heights = np.minimum(y2, one_y2) - np.maximum(y1, one_y1) + offset
    shared = np.maximum(widths, 0) * np.maximum(heights, 0)
    with np.errstate(divide='ignore', invalid='ignore'):
        return shared / (one_area + areas - shared)


def _first_best(scores: np.ndarray) -> int:
    """Finds the highest score; nan never counts as higher."""
    better = scores > scores[0]
    return int(np.where(better, scores, -np.inf).argmax()) if better.any() else 0


def _weights(
    ious: np.ndarray, iou_threshold: float, sigma: float, method: int
) -> np.ndarray:
    """Computes the factors of soft-NMS."""
    if method == GAUSSIAN:
        # numpy's float32 exponential is less exact than that of C++.
        exponents = (-(ious * ious) / sigma).astype(np.float64)
        return np.exp(exponents).astype(ious.dtype)
    lowered = 1 - ious if method == LINEAR else 0
    return np.where(ious >= iou_threshold, lowered, 1).astype(ious.dtype)


def _swap(one: int, other: int, *arrays: np.ndarray) -> None:
    for array in arrays:
        array[..., [one, other]] = array[..., [other, one]]


def _fill_gaps(kept: np.ndarray) -> np.ndarray:
    """Orders rows so that the last kept ones replace dropped ones.

    Args:
        kept: (N,) bool.

    Returns:
        Indices of the kept rows.
    """
    number = kept.sum()
    rows = np.arange(number)
    rows[~kept[:number]] = number + np.flatnonzero(kept[number:])[::-1]
    return rows
