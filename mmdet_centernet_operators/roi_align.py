"""RoIAlign: pools regions of a feature map to one size.

Legend: B images, C channels, H x W map, R regions, P x Q bins per region, S samples per
bin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet_operators.kernels import torchvision_ops
from mmdet_centernet_operators.sampling import corners, to_rows, weighted_sums

LOWEST = -10000.0
"""mmcv's maximum of a bin without samples."""
AVERAGE = 1
"""mmcv's number of the average mode; 0 is the maximum."""


class Pooling(NamedTuple):
    """Settings of the pooling.

    Attributes:
        bins: P and Q.
        spatial_scale: Cells of the map per pixel of the image.
        sampling_ratio: Samples per bin along each axis; 0 for one per cell.
        mode: 0 for the maximum of the samples, 1 for their average.
        aligned: Whether coordinates are shifted by half a cell.
    """

    bins: tuple[int, int]
    spatial_scale: float
    sampling_ratio: int
    mode: int
    aligned: bool


def roi_align(
    maps: Tensor, rois: Tensor, pooling: Pooling
) -> tuple[Tensor, Tensor, Tensor]:
    """Pools regions (`Mask R-CNN <https://arxiv.org/abs/1703.06870>`_, section 3).

    Args:
        maps: (B, C, H, W).
        rois: (R, 5), index and xyxy in pixels of the image.
        pooling: Settings.

    Returns:
        (R, C, P, Q), differentiable by the maps; and y and x of the maximal sample,
        both (R, C, P, Q), or two empty tensors for the average.

    Raises:
        ValueError: If a region has a negative size and ``aligned`` is set.
    """
    if pooling.mode == AVERAGE:
        nothing = maps.new_zeros(0)
        return _average(maps, rois, pooling), nothing, nothing
    shape = (len(rois), maps.shape[1], *pooling.bins)
    pooled = maps.new_full(shape, LOWEST)
    ys, xs = maps.new_full(shape, -1), maps.new_full(shape, -1)
    for chosen, places in _sampled_alike(rois, pooling):
        values, best = _samples(maps, places).max(dim=3)  # (r, P, Q, C)
        pooled[chosen] = values.permute(0, 3, 1, 2).to(maps.dtype)
        for target, axis in ((ys, places.ys), (xs, places.xs)):
            target[chosen] = axis.gather(3, best).permute(0, 3, 1, 2).to(maps.dtype)
    return pooled, ys, xs


def gradient_of_maximum(
    grad_output: Tensor, rois: Tensor, ys: Tensor, xs: Tensor, shape: torch.Size
) -> Tensor:
    """Adds the gradient of each maximum to the cells around its sample.

    Args:
        grad_output: (R, C, P, Q).
        rois: (R, 5).
        ys: (R, C, P, Q), y of the samples; -1 for bins without samples.
        xs: Likewise for x.
        shape: Shape of the maps, (B, C, H, W).

    Returns:
        (B, C, H, W).
    """
    channels, height, width = shape[1:]
    indices, weights = _corners(ys, xs, height, width)  # (R, C, P, Q, 4)
    image = rois[:, 0].long()[:, None] * channels
    plane = image + torch.arange(channels, device=rois.device)  # (R, C)
    indices = indices + plane[..., None, None, None] * (height * width)
    weights = weights * (grad_output * (ys != -1))[..., None]
    flat = grad_output.new_zeros(shape.numel())
    flat.index_add_(0, indices.flatten(), weights.flatten().to(flat.dtype))
    return flat.view(shape)


class _Places(NamedTuple):
    """Positions of the samples of some regions.

    Attributes:
        image: (r,) index of the map.
        ys: (r, P, Q, S).
        xs: (r, P, Q, S).
    """

    image: Tensor
    ys: Tensor
    xs: Tensor


def _average(maps: Tensor, rois: Tensor, pooling: Pooling) -> Tensor:
    ops = torchvision_ops()
    if ops is not None:
        return ops.roi_align(
            maps,
            rois.to(maps.dtype),
            pooling.bins,
            pooling.spatial_scale,
            pooling.sampling_ratio,
            pooling.aligned,
        )
    chosen, means = [], []
    for indices, places in _sampled_alike(rois, pooling):
        chosen.append(indices)
        means.append(_samples(maps, places, summed=True) / places.ys.shape[3])
    pooled = maps.new_zeros(len(rois), maps.shape[1], *pooling.bins)
    if not chosen:
        return pooled
    values = torch.cat(means).permute(0, 3, 1, 2).to(maps.dtype)
    return pooled.index_copy(0, torch.cat(chosen), values)


def _sampled_alike(rois: Tensor, pooling: Pooling) -> Iterator[tuple[Tensor, _Places]]:
    """Groups regions with equally many samples.

    Yields:
        Indices of regions, (r,), and the positions of their samples. Regions without
        samples are left out.
    """
    rois = rois.to(torch.promote_types(rois.dtype, torch.float32))
    start, size = _extents(rois, pooling)  # both (R, 2), of y and x
    bins = size.new_tensor(pooling.bins)
    ratio = pooling.sampling_ratio
    counts = torch.full_like(size, ratio) if ratio > 0 else (size / bins).ceil()
    for count in counts.unique(dim=0):
        chosen = (counts == count).all(dim=1).nonzero()[:, 0]
        if not count.prod():
            continue
        axes = [
            _axis_places(start[chosen, axis], size[chosen, axis], number, int(samples))
            for axis, (number, samples) in enumerate(
                zip(pooling.bins, count.tolist(), strict=True)
            )
        ]
        yield chosen, _Places(rois[chosen, 0].long(), *_crossed(*axes))


def _extents(rois: Tensor, pooling: Pooling) -> tuple[Tensor, Tensor]:
    """Computes start and size of regions, in cells of the map."""
    shift = 0.5 if pooling.aligned else 0.0
    edges = rois[:, 1:] * pooling.spatial_scale - shift
    start, end = edges[:, [1, 0]], edges[:, [3, 2]]
    if not pooling.aligned:
        return start, (end - start).clamp(min=1)
    if (end < start).any():
        raise ValueError(
            'RoIAlign: the right or lower edge of a region is before its left'
        )
    return start, end - start


def _axis_places(start: Tensor, size: Tensor, bins: int, samples: int) -> Tensor:
    """Computes the sample positions along one axis: (r, bins, samples)."""
    bin_size = (size / bins)[:, None, None]
    number = torch.arange(bins, device=start.device)[:, None]
    middles = torch.arange(samples, device=start.device, dtype=start.dtype) + 0.5
    share = middles / samples
    return start[:, None, None] + number * bin_size + share * bin_size


def _crossed(ys: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
    """Crosses (r, P, m) with (r, Q, n): two tensors of (r, P, Q, m * n)."""
    ys, xs = ys[:, :, None, :, None], xs[:, None, :, None, :]
    ys, xs = torch.broadcast_tensors(ys, xs)
    return ys.flatten(3), xs.flatten(3)


def _samples(maps: Tensor, places: _Places, *, summed: bool = False) -> Tensor:
    """Computes bilinear samples, (r, P, Q, S, C), or their sums, (r, P, Q, C)."""
    height, width = maps.shape[-2:]
    indices, weights = _corners(places.ys, places.xs, height, width)
    indices = indices + places.image.view(-1, 1, 1, 1, 1) * (height * width)
    if summed:
        indices, weights = indices.flatten(3), weights.flatten(3)
    rows = to_rows(maps.to(weights.dtype))
    sums = weighted_sums(rows, indices.flatten(0, -2), weights.flatten(0, -2))
    return sums.view(*indices.shape[:-1], -1)


def _corners(ys: Tensor, xs: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns cells of one map and weights, (..., 4); weight 0 outside the map."""
    inside = (ys >= -1) & (ys <= height) & (xs >= -1) & (xs <= width)
    row_cells, row_weights = _axis_corners(ys, height)
    column_cells, column_weights = _axis_corners(xs, width)
    cells = corners(row_cells * width, column_cells, torch.add)
    weights = corners(row_weights, column_weights, torch.mul)
    return cells, weights * inside[..., None]


def _axis_corners(places: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Like `axis_corners`, but samples beyond the last cell use that cell."""
    places = places.clamp(0, length - 1)
    low = places.floor()
    share = places - low
    cells = torch.stack([low, low + 1], dim=-1).long().clamp(0, length - 1)
    return cells, torch.stack([1 - share, share], dim=-1)
