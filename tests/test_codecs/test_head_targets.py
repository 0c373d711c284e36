"""Which cells are assigned to which box."""

import math
from collections import defaultdict

import pytest
import torch

from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    assign_center_cells,
    assign_covered_cells,
)

CLASSES, HEIGHT, WIDTH, STRIDE = 3, 20, 28, 4


def random_targets(seed, counts=(6, 0, 9)):
    generator = torch.Generator().manual_seed(seed)
    extent = torch.tensor([WIDTH, HEIGHT]) * STRIDE
    boxes = []
    for count in counts:
        centers = torch.rand(count, 2, generator=generator) * extent
        sizes = torch.rand(count, 2, generator=generator) * 60 + 1
        boxes.append(torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1))
    boxes[0][2] = math.nan
    labels = [torch.zeros(count, dtype=torch.long) for count in counts]
    shape = (len(counts), CLASSES, HEIGHT, WIDTH)
    return CenterNetTargetAssigner().assign(boxes, labels, shape, stride=STRIDE)


def slow_weights(targets):
    """{(image, x, y): {object: height}}, the smallest object taking each cell."""
    claims = defaultdict(dict)
    for i in range(len(targets.valid)):
        radius = int(targets.radii[i])
        sigma = (2 * radius + 1) / 6
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                x, y = (targets.centers[i] + torch.tensor([dx, dy])).tolist()
                if targets.valid[i] and 0 <= x < WIDTH and 0 <= y < HEIGHT:
                    height = math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
                    claims[int(targets.images[i]), x, y][i] = height
    won = {}
    for cell, heights in claims.items():
        owner = min(heights, key=lambda i: float(targets.sizes[i].prod()))
        won[(owner, *cell)] = heights[owner]
    totals = defaultdict(float)
    for (owner, *_), height in won.items():
        totals[owner] += height
    return {key: height / totals[key[0]] for key, height in won.items()}


@pytest.mark.parametrize('seed', range(5))
def test_assigned_covered_cells_equal_a_slow_search(seed):
    targets = random_targets(seed)
    cells = assign_covered_cells(targets)
    keep = cells.weights > 0
    listed = zip(
        cells.objects[keep].tolist(),
        targets.images[cells.objects[keep]].tolist(),
        cells.xs[keep].tolist(),
        cells.ys[keep].tolist(),
        strict=True,
    )
    found = dict(zip(listed, cells.weights[keep].tolist(), strict=True))
    assert found == pytest.approx(slow_weights(targets), rel=1e-5)
    assert not targets.valid.all()


def test_each_object_counts_once():
    targets = random_targets(7)
    cells = assign_covered_cells(targets)
    totals = torch.zeros(len(targets.valid)).index_add(0, cells.objects, cells.weights)
    torch.testing.assert_close(totals, targets.valid.float())


def test_an_object_under_a_smaller_one_is_left_to_the_heatmap():
    """Same center, one cell each: the cell is assigned to the smaller."""
    boxes = [torch.tensor([[10.0, 10, 14, 14], [9.0, 9, 15, 15]])]
    labels = [torch.tensor([0, 1])]
    targets = CenterNetTargetAssigner().assign(
        boxes, labels, (1, CLASSES, HEIGHT, WIDTH), stride=STRIDE
    )
    assert targets.radii.tolist() == [0, 0]
    assert assign_covered_cells(targets).weights.tolist() == [1, 0]


def test_center_cells():
    targets = random_targets(0)
    cells = assign_center_cells(targets)
    assert torch.equal(cells.objects, torch.arange(len(targets.valid)))
    assert torch.equal(torch.stack([cells.xs, cells.ys], 1), targets.centers)
    assert torch.equal(cells.weights, targets.valid.float())
