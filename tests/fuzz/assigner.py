"""Boxes in, targets out."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from torch import Tensor

from fuzz import draws
from fuzz.oracles import Slow, is_usable, learn, splat
from fuzz.outcome import RIGHT, refused
from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    CenterTargets,
    assign_covered_cells,
    paint_heatmap,
)
from mmdet_centernet.codecs.center_assigner import LARGEST_RADIUS

ROUNDING = 1e-6
RARE = 0.002


def assign(draw: Random) -> str:
    """Targets of a batch equal those of a loop over its boxes."""
    stride, cells, num_classes = draw_map(draw)
    rule = draw.choice(['official', 'corrected', 'mmdet'])
    clip = draw.choice([None, True, False])
    assigner = CenterNetTargetAssigner(radius_rule=rule, clip_boxes=clip)
    boxes = draw_batch(draw, stride, cells)
    labels = [draws.labels(draw, len(one), num_classes) for one in boxes]
    strange = spoil_labels(draw, labels, num_classes)
    shape = (len(boxes), num_classes, cells[1], cells[0])
    targets = assigner.assign(boxes, labels, shape, stride=stride)
    clips = rule != 'mmdet' if clip is None else clip
    slow = [
        learn(box.numpy(), stride, cells, rule, clips) for one in boxes for box in one
    ]
    check_objects(targets, slow, strange)
    usable = [is_usable(box.numpy() / stride, cells) for one in boxes for box in one]
    assert (~targets.dropped).tolist() == usable
    check_heat(targets)
    check_surroundings(targets)
    return RIGHT


def draw_map(draw: Random) -> tuple[int, tuple[int, int], int]:
    """Stride, width and height in cells, classes."""
    cells = draw.randint(1, 20), draw.randint(1, 20)
    return draw.choice([1, 2, 4, 8]), cells, draw.randint(1, 3)


def draw_batch(draw: Random, stride: int, cells: tuple[int, int]) -> list[Tensor]:
    """Boxes of some images."""
    extent = cells[0] * stride, cells[1] * stride
    if draw.random() < RARE:
        return [draws.crowd(draw, *extent)]
    return [draws.boxes(draw, *extent) for _ in range(draw.randint(1, 3))]


def spoil_labels(draw: Random, labels: list[Tensor], num_classes: int) -> Tensor:
    """Make some labels unknown; tells which of all."""
    for one in labels:
        if len(one) and draw.random() < 0.2:
            strange = draw.choice([-1, num_classes, -(2**40), 2**40])
            one[draw.randrange(len(one))] = strange
    together = torch.cat(labels)
    return (together < 0) | (together >= num_classes)


def check_objects(
    targets: CenterTargets, slow: list[Slow | None], strange: Tensor
) -> None:
    """Row by row."""
    assert torch.equal(targets.mislabeled, strange)
    for row, (wanted, unknown) in enumerate(zip(slow, strange.tolist(), strict=True)):
        learned = wanted is not None and not unknown
        assert bool(targets.valid[row]) == learned, f'row {row}: {wanted}'
        if not learned or wanted is None:
            assert targets.radii[row] == -1
            continue
        assert tuple(targets.centers[row].tolist()) == wanted.cell
        np.testing.assert_array_equal(targets.sizes[row], wanted.size)
        np.testing.assert_array_equal(targets.offsets[row], wanted.offset)
        least, most = (int(wanted.radius + e) for e in (-ROUNDING, ROUNDING))
        least = min(least, LARGEST_RADIUS)
        assert least <= targets.radii[row].item() <= max(most, 0), (
            f'row {row}: {wanted}'
        )


def check_heat(targets: CenterTargets) -> None:
    """The heatmap equals one painted Gaussian by Gaussian."""
    heat = np.zeros(targets.shape, np.float32)
    objects = zip(
        targets.images, targets.labels, targets.centers, targets.radii, strict=True
    )
    drawn = set()
    for image, label, center, radius in objects:
        key = (int(image), int(label), *center.tolist(), int(radius))
        if radius >= 0 and key not in drawn:  # a crowd has many of a kind
            drawn.add(key)
            splat(heat[key[0], key[1]], (key[2], key[3]), key[4])
    np.testing.assert_allclose(paint_heatmap(targets), heat, rtol=0, atol=1e-5)


def check_surroundings(targets: CenterTargets) -> None:
    """Weights of an object's cells add up to 1, or nobody learns it."""
    cells = assign_covered_cells(targets)
    totals = torch.zeros(len(targets.radii)).index_add_(0, cells.objects, cells.weights)
    assert cells.weights.isfinite().all()
    assert (((totals - 1).abs() < 1e-4) | (totals == 0)).all()
    areas = targets.sizes.double().prod(dim=1)
    for index in (targets.valid & (totals == 0)).nonzero().flatten().tolist():
        # Only one that smaller objects cover wholly.
        same_image = targets.valid & (targets.images == targets.images[index])
        assert (areas[same_image] < areas[index]).any()


def refuse(draw: Random) -> str:
    """Annotations that do not fit each other, and settings out of range."""
    fault = draw.choice([lists, shapes, types, settings])
    return fault(draw)


def lists(draw: Random) -> str:
    """Another number of lists than of images."""
    given = draw.randint(0, 3)
    images = draw.choice([n for n in range(4) if n != given or n == 0])
    boxes, labels = [torch.zeros(1, 4)] * given, [torch.zeros(1).long()] * given
    return _refuses(boxes, labels, images, 'give one of each an image')


def shapes(draw: Random) -> str:
    """Boxes and labels of different length, or no boxes at all."""
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
    """Labels that are no integers."""
    dtype = draw.choice([torch.float32, torch.float16, torch.complex64])
    labels = torch.zeros(1, dtype=dtype)
    return _refuses([torch.zeros(1, 4)], [labels], 1, 'give integers')


def settings(draw: Random) -> str:
    """Settings out of range."""
    name, value, says = draw.choice(
        [
            ('radius_rule', draw.choice(['cornernet', '', 'Official']), 'choose one'),
            ('min_overlap', draw.choice([0.0, 1.0, -0.3, 7.0]), 'between 0 and 1'),
            ('max_objects', draw.choice([0, -1, -128]), 'give 1 or more'),
        ]
    )
    return refused(ValueError, says, lambda: CenterNetTargetAssigner(**{name: value}))


def _refuses(boxes: list[Tensor], labels: list[Tensor], images: int, says: str) -> str:
    assigner, shape = CenterNetTargetAssigner(), (images, 3, 8, 8)
    return refused(
        ValueError, says, lambda: assigner.assign(boxes, labels, shape, stride=4)
    )
