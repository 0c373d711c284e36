"""Targets of the assigner against a loop over all boxes."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from torch import Tensor

from fuzz import draws
from fuzz.oracles import Target, is_usable, splat, target_of
from fuzz.outcome import RIGHT, refused
from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    CenterTargets,
    assign_covered_cells,
    paint_heatmap,
)

ROUNDING = 1e-6
RARE = 0.002


def assign(draw: Random) -> str:
    """Targets of a batch equal those of the oracle."""
    stride, cells, num_classes = draw_map(draw)
    rule = draw.choice(['official', 'corrected', 'mmdet'])
    clip = draw.choice([None, True, False])
    assigner = CenterNetTargetAssigner(radius_rule=rule, clip_boxes=clip)
    boxes = draw_batch(draw, stride, cells)
    labels = [draws.labels(draw, len(one), num_classes) for one in boxes]
    unknown = break_labels(draw, labels, num_classes)
    shape = (len(boxes), num_classes, cells[1], cells[0])
    targets = assigner.assign(boxes, labels, shape, stride=stride)
    clips = rule != 'mmdet' if clip is None else clip
    flat = [box.numpy() for one in boxes for box in one]
    expected = [target_of(box, stride, cells, rule, clips) for box in flat]
    check_objects(targets, expected, unknown)
    usable = [is_usable(box / stride, cells) for box in flat]
    assert (~targets.dropped).tolist() == usable
    check_heatmap(targets)
    check_surroundings(targets)
    return RIGHT


def draw_map(draw: Random) -> tuple[int, tuple[int, int], int]:
    """Draws stride, (width, height) in cells and the number of classes."""
    cells = draw.randint(1, 20), draw.randint(1, 20)
    return draw.choice([1, 2, 4, 8]), cells, draw.randint(1, 3)


def draw_batch(draw: Random, stride: int, cells: tuple[int, int]) -> list[Tensor]:
    """Draws the boxes of some images."""
    extent = cells[0] * stride, cells[1] * stride
    if draw.random() < RARE:
        return [draws.crowd(draw, *extent)]
    return [draws.boxes(draw, *extent) for _ in range(draw.randint(1, 3))]


def break_labels(draw: Random, labels: list[Tensor], num_classes: int) -> Tensor:
    """Replaces some labels by unknown ones; returns a mask of all unknown ones."""
    for one in labels:
        if len(one) and draw.random() < 0.2:
            label = draw.choice([-1, num_classes, -(2**40), 2**40])
            one[draw.randrange(len(one))] = label
    together = torch.cat(labels)
    return (together < 0) | (together >= num_classes)


def check_objects(
    targets: CenterTargets, expected: list[Target | None], unknown: Tensor
) -> None:
    """Compares the targets row by row."""
    assert torch.equal(targets.mislabeled, unknown)
    for row, (one, bad) in enumerate(zip(expected, unknown.tolist(), strict=True)):
        valid = one is not None and not bad
        assert bool(targets.valid[row]) == valid, f'row {row}: {one}'
        if not valid or one is None:
            assert targets.radii[row] == -1
            continue
        assert tuple(targets.centers[row].tolist()) == one.cell
        np.testing.assert_array_equal(targets.sizes[row], one.size)
        np.testing.assert_array_equal(targets.offsets[row], one.offset)
        rounding = ROUNDING * max(1, one.radius)
        least, most = (int(one.radius + e) for e in (-rounding, rounding))
        assert least <= targets.radii[row].item() <= max(most, 0), f'row {row}: {one}'


def check_heatmap(targets: CenterTargets) -> None:
    """Compares the heatmap with one that is drawn Gaussian by Gaussian."""
    heat = np.zeros(targets.shape, np.float32)
    objects = zip(
        targets.images, targets.labels, targets.centers, targets.radii, strict=True
    )
    drawn = set()
    for image, label, center, radius in objects:
        key = (int(image), int(label), *center.tolist(), int(radius))
        if radius >= 0 and key not in drawn:  # crowds have many duplicates
            drawn.add(key)
            splat(heat[key[0], key[1]], (key[2], key[3]), key[4])
    np.testing.assert_allclose(paint_heatmap(targets), heat, rtol=0, atol=1e-5)


def check_surroundings(targets: CenterTargets) -> None:
    """Checks that the weights of the cells of an object add up to 1 or 0."""
    cells = assign_covered_cells(targets)
    totals = torch.zeros(len(targets.radii)).index_add_(0, cells.objects, cells.weights)
    assert cells.weights.isfinite().all()
    assert (((totals - 1).abs() < 1e-4) | (totals == 0)).all()
    areas = targets.sizes.double().prod(dim=1)
    for index in (targets.valid & (totals == 0)).nonzero().flatten().tolist():
        # 0 only if smaller objects cover it completely.
        same_image = targets.valid & (targets.images == targets.images[index])
        assert (areas[same_image] < areas[index]).any()


def refuse(draw: Random) -> str:
    """Inconsistent annotations, and settings out of range."""
    fault = draw.choice([lists, shapes, types, settings])
    return fault(draw)


def lists(draw: Random) -> str:
    """The number of lists differs from the number of images."""
    given = draw.randint(0, 3)
    images = draw.choice([n for n in range(4) if n != given or n == 0])
    boxes, labels = [torch.zeros(1, 4)] * given, [torch.zeros(1).long()] * given
    return _refuses(boxes, labels, images, 'give one of each per image')


def shapes(draw: Random) -> str:
    """Boxes and labels of different lengths, or of wrong shapes."""
    boxes, labels = draw.choice(
        [
            (torch.zeros(2, 4), torch.zeros(1).long()),
            (torch.zeros(1, 5), torch.zeros(1).long()),
            (torch.zeros(4), torch.zeros(1).long()),
            (torch.zeros(1, 4), torch.zeros(1, 1).long()),
        ]
    )
    return _refuses([boxes], [labels], 1, r'give \(n, 4\) and \(n,\)')


def types(draw: Random) -> str:
    """Labels that are not integers."""
    dtype = draw.choice([torch.float32, torch.float16, torch.complex64])
    labels = torch.zeros(1, dtype=dtype)
    return _refuses([torch.zeros(1, 4)], [labels], 1, 'give integers')


def settings(draw: Random) -> str:
    """Settings out of range."""
    name, value, message = draw.choice(
        [
            ('radius_rule', draw.choice(['cornernet', '', 'Official']), 'choose one'),
            ('min_overlap', draw.choice([0.0, 1.0, -0.3, 7.0]), 'between 0 and 1'),
            ('max_objects', draw.choice([0, -1, -128]), 'give 1 or more'),
        ]
    )
    return refused(
        ValueError, message, lambda: CenterNetTargetAssigner(**{name: value})
    )


def _refuses(
    boxes: list[Tensor], labels: list[Tensor], images: int, message: str
) -> str:
    assigner, shape = CenterNetTargetAssigner(), (images, 3, 8, 8)
    return refused(
        ValueError, message, lambda: assigner.assign(boxes, labels, shape, stride=4)
    )
