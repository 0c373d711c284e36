"""What the cells of a map are taught about the objects of a batch.

Legend: N points in the batch, P cells that learn, D channels, H x W map. Units are
cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_centernet.codecs.box_cells import BoxCells, center_cells, surrounding_cells
from mmdet_centernet.codecs.properties import Property
from mmdet_centernet.codecs.targets import CenterTargets, PointTargets
from mmdet_centernet.functional.gaussian import GaussianCells


class MapTarget(NamedTuple):
    """Cells of a map, and what each has to put out.

    Attributes:
        images: (P,) int64 image of the batch.
        xs: (P,) int64 column of the cell.
        ys: (P,) int64 row of the cell.
        values: (P, D) float32 encoded values, 0 where the weight is 0.
        weights: (P, D) float32; those of a labelled object add up to 1 a channel.
    """

    images: Tensor
    xs: Tensor
    ys: Tensor
    values: Tensor
    weights: Tensor


def point_map_target(
    prop: Property, targets: PointTargets, values: Tensor
) -> MapTarget:
    """Teach a property in the cell of each point alone.

    Args:
        prop: The property.
        targets: The points.
        values: (N, row_shape...) of the points, in cells.
    """
    return _map_target(prop, targets, values, center_cells(targets))


def object_map_targets(
    properties: Mapping[str, Property],
    targets: CenterTargets,
    values: Mapping[str, Tensor],
    *,
    whole_gaussian: bool,
    covered: GaussianCells | None = None,
) -> dict[str, MapTarget]:
    """Teach properties at the centres of objects, or under their whole Gaussians.

    Args:
        properties: By the name of their map.
        targets: The objects.
        values: (N, row_shape...) by the name of the map, in cells.
        whole_gaussian: For properties that do not say it themselves.
        covered: The cells under the Gaussians of the objects, if they are known.
    """
    is_wide = {
        name: whole_gaussian if prop.whole_gaussian is None else prop.whole_gaussian
        for name, prop in properties.items()
    }
    cells = {
        wide: surrounding_cells(targets, covered) if wide else center_cells(targets)
        for wide in set(is_wide.values())
    }
    return {
        name: _map_target(prop, targets, values[name], cells[is_wide[name]])
        for name, prop in properties.items()
    }


def _map_target(
    prop: Property, targets: PointTargets, values: Tensor, cells: BoxCells
) -> MapTarget:
    places = torch.stack([cells.xs, cells.ys], dim=1)
    encoded = prop.encode(values[cells.objects], places, targets.shape[2:])  # (P, D)
    weights = torch.where(encoded.isfinite(), cells.weights[:, None], 0.0)
    return MapTarget(
        images=targets.images[cells.objects],
        xs=cells.xs,
        ys=cells.ys,
        values=torch.where(weights > 0, encoded, 0.0),
        weights=weights,
    )
