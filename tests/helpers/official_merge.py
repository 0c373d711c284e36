"""The official merging of scales, as a slow loop."""

import numpy as np

from helpers.views import by_score


def slow_soft_nms(rows, *, leave_stale, sigma=0.5, floor=0.001):
    """Gaussian soft NMS on the rows of one class, as the official code does it.

    A box that falls under the floor is overwritten by the last live one, whose old row
    stays behind the end: stale rows, which the official code also returns.
    """
    rows, end, first = rows.astype(np.float64), len(rows), 0
    while first < end:
        best = first + rows[first:end, 4].argmax()
        rows[[first, best]] = rows[[best, first]]
        at = first + 1
        while at < end:
            low = np.maximum(rows[first, :2], rows[at, :2])
            sides = np.minimum(rows[first, 2:4], rows[at, 2:4]) - low + 1
            if (sides > 0).all():
                overlap = sides.prod()
                areas = (rows[[first, at], 2:4] - rows[[first, at], :2] + 1).prod(1)
                iou = overlap / (areas.sum() - overlap)
                rows[at, 4] *= np.exp(-(iou**2) / sigma)
                if rows[at, 4] < floor:
                    end -= 1
                    rows[at] = rows[end]
                    at -= 1
            at += 1
        first += 1
    return rows if leave_stale else rows[:end]


def slow_merge(per_scale, *, leave_stale):
    """The official merge: soft NMS class by class, then the best 100."""
    rows = np.concatenate(per_scale)
    classes = [rows[rows[:, 5] == label] for label in np.unique(rows[:, 5])]
    merged = np.concatenate(
        [slow_soft_nms(one, leave_stale=leave_stale) for one in classes]
    )
    return by_score(merged)[:100]


def golden_scales(golden, case):
    names = sorted(
        name for name in golden.files if name.startswith(case) and '_dets' in name
    )
    return [golden[name] for name in names]
