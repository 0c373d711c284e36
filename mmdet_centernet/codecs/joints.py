"""Heatmaps of joints, and how their peaks correct the joints of detections.

A heatmap with one channel per joint localizes joints precisely but does not assign them
to objects. The displacements from object centers do, but are less precise. The decoder
combines both (paper, section 4.3).

Legend: B images, N objects in the batch, J joints, K detections per image, Q peaks per
joint, H x W map. Units are cells; x comes before y; boxes are x1, y1, x2, y2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmdet.registry import TASK_UTILS
from mmdet.utils import ConfigType, OptConfigType
from torch import Tensor

from mmdet_centernet.arguments import check_positive, check_whole, is_number
from mmdet_centernet.codecs.properties import KeypointsProperty
from mmdet_centernet.codecs.targets import CenterTargets, PointTargets
from mmdet_centernet.functional.peaks import cells_at, gather_cells, top_peaks
from mmdet_centernet.functional.points import points_on_map

CELL_MIDDLE = 0.5
"""Position of a peak within its cell if there is no offset map."""

FOCAL = dict(type='GaussianFocalLossWithLogits', loss_weight=1.0)
L1 = dict(type='L1Loss', loss_weight=1.0)


@TASK_UTILS.register_module()
class JointPoints:
    """A point set of joints with its own heatmap, which corrects keypoints.

    The second point set of a head, besides object centers. Its maps are the heatmap,
    with one channel per joint, and one offset within the cell that all joints share.

    Args:
        keypoints: Name of the head's ``KeypointsProperty`` that the joints belong to.
        loss_heatmap: Loss of the heatmap.
        loss_offset: Loss of the position within the cell; None removes the map, and
            joints lie in the middle of their cells.
        score_thr: Peaks must score higher than this.
        max_distance: Largest distance between a peak and the joint that the object
            predicts, relative to the longer side of the object's box.
        topk: Number of peaks per joint and image.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        keypoints: str = 'keypoints',
        *,
        loss_heatmap: ConfigType = FOCAL,
        loss_offset: OptConfigType = L1,
        score_thr: float = 0.1,
        max_distance: float = 0.3,
        topk: int = 100,
    ) -> None:
        check_positive(max_distance=max_distance)
        check_whole(topk=topk)
        if not is_number(score_thr) or not 0 <= score_thr < 1:
            raise ValueError(f'score_thr is {score_thr!r}; give a number in [0, 1)')
        self.keypoints = keypoints
        self.loss_heatmap = loss_heatmap
        self.loss_offset = loss_offset
        self.score_thr = score_thr
        self.max_distance = max_distance
        self.topk = topk

    def make_targets(self, targets: CenterTargets, points: Tensor) -> PointTargets:
        """See :func:`joint_targets`."""
        return joint_targets(targets, points)

    def refine(
        self, joints: Tensor, boxes: Tensor, heatmap: Tensor, offset: Tensor | None
    ) -> Tensor:
        """Moves joints to the matching peaks of the heatmap.

        Args:
            joints: (B, K, J, 2) joints that the objects predict.
            boxes: (B, K, 4) boxes of the objects.
            heatmap: (B, J, H, W) logits.
            offset: (B, 2, H, W) joint minus its cell; None for the middle of the cell.

        Returns:
            (B, K, J, 2).
        """
        peaks = find_joints(heatmap, offset, self.topk)
        return snap_joints(
            joints,
            boxes,
            peaks,
            score_thr=self.score_thr,
            max_distance=self.max_distance,
        )

    def flip_heatmap(self, logits: Tensor, prop: KeypointsProperty) -> Tensor:
        """Exchanges left and right joints in the heatmap of a flipped image.

        Args:
            logits: (B, J, H, W) of the flipped images, with columns flipped back.
            prop: The property that the joints belong to.

        Returns:
            Same shape, comparable with the heatmap of the original images.
        """
        return logits[:, prop.flipped_order]


def joint_targets(targets: CenterTargets, points: Tensor) -> PointTargets:
    """Makes the targets of a joint heatmap.

    Joints get the radius of their object. Joints that are unlabeled or lie outside the
    map are not valid, nor are those of objects that are not valid.

    Args:
        targets: The objects.
        points: (N, J, 2) their joints, nan if unlabeled.

    Returns:
        N * J rows, ordered by object, then by joint.
    """
    num_joints = points.shape[1]
    num_images, _, height, width = targets.shape
    valid = targets.valid[:, None] & points_on_map(points, (height, width))  # (N, J)
    points = torch.where(valid[..., None], points, 0.0)
    cells = points.long()  # (N, J, 2)

    def per_joint(values: Tensor) -> Tensor:
        return values[:, None].expand(-1, num_joints)  # (N, J)

    labels = torch.arange(num_joints, device=points.device).expand(len(points), -1)
    return PointTargets(
        images=per_joint(targets.images).flatten(),
        labels=labels.flatten(),
        centers=cells.flatten(0, 1),
        offsets=(points - cells).flatten(0, 1),
        radii=torch.where(valid, per_joint(targets.radii), -1).flatten(),
        valid=valid.flatten(),
        ignored=targets.ignored,
        shape=(num_images, num_joints, height, width),
    )


class JointPeaks(NamedTuple):
    """The highest peaks of each joint.

    Attributes:
        points: (B, J, Q, 2) position.
        scores: (B, J, Q) in [0, 1]; 0 where a joint has fewer peaks.
    """

    points: Tensor
    scores: Tensor


def find_joints(heatmap: Tensor, offset: Tensor | None, topk: int) -> JointPeaks:
    """Finds the peaks of each joint, regardless of objects.

    Args:
        heatmap: (B, J, H, W) logits.
        offset: (B, 2, H, W) joint minus its cell; None for the middle of the cell.
        topk: Number of peaks per joint and image.

    Returns:
        Q = min(topk, H * W) peaks, computed in float32 or wider.
    """
    num_joints, _, width = heatmap.shape[1:]
    peaks = top_peaks(heatmap.flatten(0, 1)[:, None], topk)  # (B * J, Q)
    positions = peaks.positions.unflatten(0, (-1, num_joints))  # (B, J, Q)
    cells = cells_at(positions, width)  # (B, J, Q, 2)
    if offset is None:
        points = cells + CELL_MIDDLE
    else:
        offsets = gather_cells(offset, positions.flatten(1)).float()  # (B, J * Q, 2)
        points = cells + offsets.unflatten(1, (num_joints, -1))
    scores = peaks.logits.float().sigmoid().unflatten(0, (-1, num_joints))
    return JointPeaks(points, scores)


def snap_joints(
    joints: Tensor,
    boxes: Tensor,
    peaks: JointPeaks,
    *,
    score_thr: float,
    max_distance: float,
) -> Tensor:
    """Moves each joint to the nearest peak of its channel, if that is close enough.

    The peak must lie inside the object's box and within ``max_distance``. Several
    objects may use the same peak (official implementation, ``multi_pose_decode``).

    Args:
        joints: (B, K, J, 2) joints that the objects predict.
        boxes: (B, K, 4) boxes of the objects.
        peaks: Q peaks of each joint.
        score_thr: Peaks must score higher than this.
        max_distance: Largest movement, relative to the longer side of the box.

    Returns:
        (B, K, J, 2).
    """
    nearest, distances = _nearest(joints, peaks, score_thr)
    starts, ends = boxes[:, :, None, :2], boxes[:, :, None, 2:]  # (B, K, 1, 2)
    in_box = ((nearest >= starts) & (nearest <= ends)).all(-1)  # (B, K, J)
    longer_sides = torch.maximum(*(ends - starts).unbind(-1))
    is_near = distances <= max_distance * longer_sides  # False without a peak
    return torch.where((in_box & is_near)[..., None], nearest, joints)


def _nearest(
    joints: Tensor, peaks: JointPeaks, score_thr: float
) -> tuple[Tensor, Tensor]:
    """Returns nearest peaks, (B, K, J, 2), and distances, infinite without a peak.

    x and y are computed separately, since (B, K, J, Q, 2) tensors would be large.
    """
    xs, ys = peaks.points.unbind(-1)  # (B, J, Q)
    dx, dy = (
        joints[..., axis, None] - values[:, None]
        for axis, values in enumerate((xs, ys))
    )
    distances = (dx.square() + dy.square()).sqrt()  # (B, K, J, Q)
    too_low = (peaks.scores <= score_thr)[:, None]
    distances = distances.masked_fill(too_low, torch.inf)
    # Not min(-1) here nor amax above: torch 2.1 exports both to invalid ONNX.
    index = distances.argmin(-1)  # (B, K, J)
    index_by_joint = index.transpose(1, 2)  # (B, J, K)
    nearest = [values.gather(2, index_by_joint).transpose(1, 2) for values in (xs, ys)]
    shortest = distances.gather(-1, index[..., None]).squeeze(-1)
    return torch.stack(nearest, dim=-1), shortest
