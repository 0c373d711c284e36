"""Targets as dense maps, for tools and pictures; training does without them."""

from __future__ import annotations

from torch import Tensor

from mmdet_centernet.codecs.targets import CenterTargets, paint_heatmap


def paint_targets(targets: CenterTargets) -> dict[str, Tensor]:
    """Write the objects of a batch into maps, named as in mmdet's ``CenterNetHead``.

    Of objects that share a cell the maps keep only one.

    Args:
        targets: The objects.

    Returns:
        ``center_heatmap_target`` (B, C, H, W), ``wh_target``, ``offset_target`` and
        ``wh_offset_target_weight`` (B, 2, H, W).
    """
    num_images, _, height, width = targets.shape
    heatmap = paint_heatmap(targets)
    objects = targets.valid.nonzero().squeeze(1)
    xs, ys = targets.centers[objects].unbind(1)
    at_centers = targets.images[objects], slice(None), ys, xs
    wh, offset, weight = heatmap.new_zeros(3, num_images, 2, height, width)
    wh[at_centers] = targets.sizes[objects]
    offset[at_centers] = targets.offsets[objects]
    weight[at_centers] = 1.0
    return dict(
        center_heatmap_target=heatmap,
        wh_target=wh,
        offset_target=offset,
        wh_offset_target_weight=weight,
    )
