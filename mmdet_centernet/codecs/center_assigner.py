"""Assigns boxes to cells (CenterNetTargetAssigner)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from mmdet_centernet.arguments import is_number
from mmdet_centernet.codecs.targets import CenterTargets
from mmdet_centernet.functional.gaussian import gaussian_radius
from mmdet_centernet.functional.points import points_on_map


@dataclass(frozen=True)
class RadiusRule:
    """A rule for the radius of a Gaussian.

    Attributes:
        corrected: Use the correct solutions of the quadratic equations.
        min_overlap: IoU that a box must keep when its corners move by the radius.
        ceil_sizes: Round sizes up to whole cells first.
        clip_boxes: Clip boxes to the last cell first.
    """

    corrected: bool
    min_overlap: float
    ceil_sizes: bool
    clip_boxes: bool


RADIUS_RULES = {
    'official': RadiusRule(False, 0.7, ceil_sizes=True, clip_boxes=True),
    'corrected': RadiusRule(True, 0.7, ceil_sizes=False, clip_boxes=True),
    'mmdet': RadiusRule(True, 0.3, ceil_sizes=False, clip_boxes=False),
}


FARTHEST = 2.0**31
"""Cells, beyond any map. Boxes that are not clipped may exceed their map; farther away,
areas would overflow in float32."""


@TASK_UTILS.register_module()
class CenterNetTargetAssigner:
    """Assigns to every box the cell of its center and a Gaussian around it.

    The assigner is vectorized over the batch and does not sync.

    There are three radius rules, since the published radius formula is wrong and the
    published weights were trained with it. ``official`` is the published formula.
    ``corrected`` solves the same equations correctly and gives much smaller radii.
    ``mmdet`` is the corrected formula with a lower overlap, whose radii are close to
    the official ones:

    ============== ======== ========= =====
    box in cells   official corrected mmdet
    ============== ======== ========= =====
    4 x 4          1        0         0
    10 x 10        2        0         2
    20 x 10        3        1         2
    64 x 64        17       5         14
    100 x 10       5        1         3
    128 x 128      34       10        28
    ============== ======== ========= =====

    Args:
        radius_rule: ``official``, ``corrected`` or ``mmdet``.
        min_overlap: IoU that a box must keep when its corners move by the radius.
            Defaults to that of the rule: 0.7, or 0.3 for ``mmdet``.
        clip_boxes: Clip boxes to [0, W - 1] x [0, H - 1] cells before computing center
            and size, as the official code does. Defaults to True, or to False for
            ``mmdet``, whose head does not clip.
        use_ignored: Exclude cells in ignored regions (COCO crowds) from the background.
            True by default, since COCO AP does not count detections there as false
            positives. The official code trains crowds as objects, the stock head as
            background.
        max_objects: Number of boxes per image to use, the first ones; None for all. The
            official code uses 128 on COCO and 50 on VOC.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        radius_rule: str = 'official',
        min_overlap: float | None = None,
        clip_boxes: bool | None = None,
        use_ignored: bool = True,
        max_objects: int | None = None,
    ) -> None:
        if radius_rule not in RADIUS_RULES:
            raise ValueError(
                f'radius_rule is {radius_rule!r}; choose one of {sorted(RADIUS_RULES)}'
            )
        if not _is_limit(max_objects):
            raise ValueError(
                f'max_objects is {max_objects!r}; give 1 or more, or None for no limit'
            )
        self.rule = RADIUS_RULES[radius_rule]
        self.min_overlap = self.rule.min_overlap if min_overlap is None else min_overlap
        if not is_number(self.min_overlap) or not 0 < self.min_overlap < 1:
            raise ValueError(
                f'min_overlap is {min_overlap!r}; an IoU lies between 0 and 1'
            )
        self.clip_boxes = self.rule.clip_boxes if clip_boxes is None else clip_boxes
        self.use_ignored = use_ignored
        self.max_objects = max_objects

    def assign(
        self,
        boxes: Sequence[Tensor],
        labels: Sequence[Tensor],
        shape: tuple[int, int, int, int],
        *,
        stride: int,
        ignored_boxes: Sequence[Tensor] | None = None,
    ) -> CenterTargets:
        """Makes the targets of a batch.

        Args:
            boxes: For each image (n, 4) x1, y1, x2, y2 in pixels of the network input.
            labels: For each image (n,) classes.
            shape: B, C, H, W of the heatmap.
            stride: Pixels per cell.
            ignored_boxes: For each image (m, 4) regions that are not background.

        Returns:
            Targets. Boxes that are not finite, are empty or lie outside the map are
            marked as dropped, labels outside [0, C) as mislabeled.

        Raises:
            ValueError: If the batch is empty, or number, shapes or types of boxes and
                labels do not match.
        """
        num_images, num_classes, *feat_shape = shape
        check_annotations(boxes, labels, num_images)
        boxes = [image_boxes[: self.max_objects] for image_boxes in boxes]
        labels = [image_labels[: self.max_objects] for image_labels in labels]
        corners = torch.cat(list(boxes)).float() / stride  # (N, 4) in cells
        limits = _limits(feat_shape, corners.device)
        usable = _on_map(corners, limits)  # (N,)
        corners = corners.clamp(-FARTHEST, FARTHEST)
        if self.clip_boxes:
            corners = torch.minimum(corners.clamp(min=0), limits - 1)
        sizes = corners[:, 2:] - corners[:, :2]  # (N, 2)
        points = (corners[:, :2] + corners[:, 2:]) / 2  # (N, 2)
        classes = torch.cat(list(labels)).long()  # (N,)
        known = (classes >= 0) & (classes < num_classes)
        # Rows that are not valid stay: filtering by a mask would sync.
        on_map = points_on_map(points, feat_shape)
        valid = usable & known & (sizes > 0).all(1) & on_map
        sizes = torch.where(valid[:, None], sizes, 0.0)
        points = torch.where(valid[:, None], points, 0.0)
        centers = points.long()
        return CenterTargets(
            images=_image_numbers(boxes),
            labels=torch.where(known, classes, 0),
            centers=centers,
            sizes=sizes,
            offsets=points - centers,
            radii=torch.where(valid, self._radii(sizes), -1),
            valid=valid,
            dropped=~usable,
            mislabeled=~known,
            ignored=self._ignored(ignored_boxes, feat_shape, stride),
            shape=shape,
        )

    def _radii(self, sizes: Tensor) -> Tensor:
        """Returns (N,) int64 radii for (N, 2) sizes in cells."""
        sizes = sizes.ceil() if self.rule.ceil_sizes else sizes
        corrected = self.rule.corrected
        return gaussian_radius(sizes, self.min_overlap, corrected=corrected).long()

    def _ignored(
        self,
        ignored_boxes: Sequence[Tensor] | None,
        feat_shape: Sequence[int],
        stride: int,
    ) -> Tensor | None:
        """Returns ignored cells, (B, H, W) bool, or None if there are no regions."""
        if (
            not self.use_ignored
            or not ignored_boxes
            or not any(map(len, ignored_boxes))
        ):
            return None
        return torch.stack(
            [_cells_in(boxes.float() / stride, feat_shape) for boxes in ignored_boxes]
        )


def check_annotations(
    boxes: Sequence[Tensor], labels: Sequence[Tensor], num_images: int
) -> None:
    """Checks number, shapes and types of the annotations of a batch.

    Values are not read, since that would need a device sync.

    Args:
        boxes: For each image (n, 4) boxes.
        labels: For each image (n,) classes.
        num_images: Number of images, B.

    Raises:
        ValueError: If a batch is empty, or shapes or types do not match.
    """
    if not num_images or not len(boxes) == len(labels) == num_images:
        raise ValueError(
            f'{len(boxes)} lists of boxes and {len(labels)} of labels for '
            f'{num_images} images: give one of each per image, and at least one image'
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


def _limits(feat_shape: Sequence[int], device: torch.device) -> Tensor:
    """Returns W, H, W, H, filled on the device: a copy from the host would sync."""
    height, width = feat_shape
    limits = torch.full((4,), float(width), device=device)
    limits[1::2] = height
    return limits


def _on_map(corners: Tensor, limits: Tensor) -> Tensor:
    """Tests which boxes have a finite, positive area on the map, (N,) bool."""
    clipped = torch.minimum(corners.clamp(min=0), limits)  # (N, 4)
    has_area = (clipped[:, 2:] > clipped[:, :2]).all(1)
    return has_area & (corners[:, 2:] - corners[:, :2]).isfinite().all(1)


def _image_numbers(boxes: Sequence[Tensor]) -> Tensor:
    """Returns the number of the image of each box, (N,) int64."""
    return torch.cat(
        [
            image_boxes.new_full((len(image_boxes),), number, dtype=torch.long)
            for number, image_boxes in enumerate(boxes)
        ]
    )


def _cells_in(corners: Tensor, feat_shape: Sequence[int]) -> Tensor:
    """Finds the cells whose middle lies in one of (m, 4) boxes, (H, W) bool."""
    height, width = feat_shape
    xs = torch.arange(width, device=corners.device) + 0.5
    ys = torch.arange(height, device=corners.device) + 0.5
    in_x = (xs >= corners[:, 0, None]) & (xs < corners[:, 2, None])  # (m, W)
    in_y = (ys >= corners[:, 1, None]) & (ys < corners[:, 3, None])  # (m, H)
    return (in_y.float().T @ in_x.float()) > 0  # counts boxes per cell


def _is_limit(number: Any) -> bool:
    return number is None or (isinstance(number, Integral) and int(number) > 0)
