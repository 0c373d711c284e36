"""What the network is taught about a batch.

Legend: B images, C classes, N objects in the batch, H x W map. Units are cells of the
map; x stands before y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmdet_centernet.functional.gaussian import gaussian_cells


@dataclass(frozen=True)
class CenterTargets:
    """The objects of a batch as a list, N long.

    A list instead of maps: two objects whose centres share a cell both keep their size
    and offset (as in the official implementation), and no map has to be written.

    Attributes:
        images: (N,) int64 image of the batch.
        labels: (N,) int64 class.
        centers: (N, 2) int64 cell of the centre.
        sizes: (N, 2) width and height.
        offsets: (N, 2) centre minus its cell, in [0, 1).
        radii: (N,) int64 radius of the Gaussian; -1 where there is no object.
        valid: (N,) bool. Boxes that cannot be learned keep their row, so that the
            length of the list is known without asking the device.
        dropped: (N,) bool, boxes without a finite, positive area on the map.
        mislabeled: (N,) bool, labels outside [0, C). What else is not valid was left
            out by official clipping.
        ignored: (B, H, W) bool cells that are no negatives, or None.
        shape: B, C, H, W.
        max_radius: Upper bound of the radii.
    """

    images: Tensor
    labels: Tensor
    centers: Tensor
    sizes: Tensor
    offsets: Tensor
    radii: Tensor
    valid: Tensor
    dropped: Tensor
    mislabeled: Tensor
    ignored: Tensor | None
    shape: tuple[int, int, int, int]
    max_radius: int


def paint_heatmap(targets: CenterTargets) -> Tensor:
    """Splat a Gaussian for every object; overlaps of a class keep the higher value.

    Args:
        targets: The objects.

    Returns:
        (B, C, H, W) float32, exactly 1 in the cells that hold a centre (paper,
        section 3).
    """
    _, num_classes, height, width = targets.shape
    heatmap = torch.zeros(targets.shape, device=targets.centers.device)
    covered = gaussian_cells(
        targets.centers, targets.radii, (height, width), targets.max_radius
    )
    planes = (targets.images * num_classes + targets.labels)[covered.objects]
    index = (planes * height + covered.ys) * width + covered.xs
    heatmap.view(-1).scatter_reduce_(0, index, covered.values, 'amax')
    return heatmap
