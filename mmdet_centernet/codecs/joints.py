"""Joints as points of their own: how they are taught, and what they correct.

A heatmap with a channel a joint finds joints wherever they are, without knowing whose
they are; the displacements from centers know whose, and are less exact. Together they
are both (paper, section 4.3).

Legend: B images, N objects in the batch, J joints, K detections an image, Q peaks a
joint, H x W map. Units are cells; x stands before y; boxes are x1, y1, x2, y2.
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
from mmdet_centernet.functional.peaks import gather_cells, top_peaks
from mmdet_centernet.functional.points import points_on_map

CELL_MIDDLE = 0.5
"""Where a peak lies in its cell if no offset says so."""

FOCAL = dict(type='GaussianFocalLossWithLogits', loss_weight=1.0)
L1 = dict(type='L1Loss', loss_weight=1.0)


@TASK_UTILS.register_module()
class JointPoints:
    """A heatmap of the joints of all objects, which corrects the joints of each.

    The second set of points of a head, beside the centers of objects. Its maps are the
    heatmap, with a channel a joint, and one offset within the cell for all joints.

    Args:
        keypoints: Which property of the head, a ``KeypointsProperty``, the joints
            belong to.
        loss_heatmap: Loss of the heatmap.
        loss_offset: Loss of the position within the cell; without one there is no such
            map, and joints lie in the middle of their cells.
        score_thr: Leave out peaks that do not score higher.
        max_distance: Farthest that a peak may lie from where its object expects the
            joint, by the longer side of the object's box.
        topk: Peaks that are looked at, of each joint in an image.

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
        """Move joints to the peaks of the heatmap that they mean.

        Args:
            joints: (B, K, J, 2) where the objects expect their joints.
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
        """Undo what a left-right flip of the image does to the names of joints.

        Args:
            logits: (B, J, H, W) of the flipped images, columns already put back.
            prop: The property that the joints belong to.

        Returns:
            Same shape, as the images themselves would have given.
        """
        return logits[:, prop.flipped_order]


def joint_targets(targets: CenterTargets, points: Tensor) -> PointTargets:
    """What a heatmap of joints is taught.

    Joints are as wide as the object that they belong to. Those that are not labeled or
    lie outside the map are no points; nor are those of objects that are not learned.

    Args:
        targets: The objects.
        points: (N, J, 2) their joints, nan where not labeled.

    Returns:
        PointTargets: N * J rows, joint after joint of object after object.
    """
    num_joints = points.shape[1]
    num_images, _, height, width = targets.shape
    valid = targets.valid[:, None] & points_on_map(points, (height, width))
    points = torch.where(valid[..., None], points, 0.0)
    cells = points.long()

    def of_object(values: Tensor) -> Tensor:
        return values[:, None].expand(-1, num_joints)

    labels = torch.arange(num_joints, device=points.device).expand(len(points), -1)
    return PointTargets(
        images=of_object(targets.images).flatten(),
        labels=labels.flatten(),
        centers=cells.flatten(0, 1),
        offsets=(points - cells).flatten(0, 1),
        radii=torch.where(valid, of_object(targets.radii), -1).flatten(),
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
    """Find joints, whosever they are.

    Args:
        heatmap: (B, J, H, W) logits.
        offset: (B, 2, H, W) joint minus its cell; None for the middle of the cell.
        topk: Peaks of each joint in an image.

    Returns:
        JointPeaks: Q = min(topk, H * W). Computed in float32 at least.
    """
    num_joints, _, width = heatmap.shape[1:]
    peaks = top_peaks(heatmap.flatten(0, 1)[:, None], topk)  # (B * J, Q)
    cells = peaks.cells.unflatten(0, (-1, num_joints))
    rows = torch.div(cells, width, rounding_mode='floor')
    corners = torch.stack([cells % width, rows], dim=-1)
    if offset is None:
        points = corners + CELL_MIDDLE
    else:
        within = gather_cells(offset, cells.flatten(1)).float()
        points = corners + within.unflatten(1, (num_joints, -1))
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
    """Move each joint to the nearest peak of its kind, if that can be meant.

    It cannot if it lies outside the object's box or too far away. A peak may be taken
    by several objects (official implementation, ``multi_pose_decode``).

    Args:
        joints: (B, K, J, 2) where the objects expect their joints.
        boxes: (B, K, 4) boxes of the objects.
        peaks: Q peaks of each joint.
        score_thr: Leave out peaks that do not score higher.
        max_distance: Farthest that a joint is moved, by the longer side of the box.

    Returns:
        (B, K, J, 2).
    """
    nearest, distances = _nearest(joints, peaks, score_thr)
    starts, ends = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    in_box = ((nearest >= starts) & (nearest <= ends)).all(-1)
    longer_sides = torch.maximum(*(ends - starts).unbind(-1))
    is_near = distances <= max_distance * longer_sides  # not if there is no peak at all
    return torch.where((in_box & is_near)[..., None], nearest, joints)


def _nearest(
    joints: Tensor, peaks: JointPeaks, score_thr: float
) -> tuple[Tensor, Tensor]:
    """(B, K, J, 2) nearest peaks and (B, K, J) distances, infinite where there is none.

    Coordinate by coordinate: (B, K, J, Q) is large enough without pairs in it.
    """
    xs, ys = peaks.points.unbind(-1)  # (B, J, Q)
    ways = [
        joints[..., axis, None] - values[:, None]
        for axis, values in enumerate((xs, ys))
    ]
    distances = (ways[0].square() + ways[1].square()).sqrt()  # (B, K, J, Q)
    too_low = (peaks.scores <= score_thr)[:, None]
    distances = distances.masked_fill(too_low, torch.inf)
    # Neither min(-1) here nor amax above: torch 2.1 exports both to invalid ONNX.
    index = distances.argmin(-1)  # (B, K, J)
    places = index.transpose(1, 2)  # (B, J, K)
    nearest = [values.gather(2, places).transpose(1, 2) for values in (xs, ys)]
    shortest = distances.gather(-1, index[..., None]).squeeze(-1)
    return torch.stack(nearest, dim=-1), shortest
