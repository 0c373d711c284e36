"""Boxes learned from every cell under a Gaussian."""

import pytest
import torch
from mmdet.models.losses.iou_loss import giou_loss
from torch.nn import functional as F

from helpers.heads import META, instances, loss, make_head, random_maps
from mmdet_centernet.codecs import CenterNetTargetAssigner, assign_covered_cells

GIOU = dict(type='GIoULoss', loss_weight=2.0)
BOXES = [[8.0, 12, 60, 90], [40.0, 30, 100, 70], [110.0, 110, 113, 114]]
SMALLEST_SIZE = 1e-3


def targets_of(boxes):
    labels = [torch.zeros(len(boxes), dtype=torch.long)]
    shape = (1, 3, 32, 32)
    return CenterNetTargetAssigner().assign(
        [torch.tensor(boxes)], labels, shape, stride=4
    )


def right_maps(targets):
    """Maps in which every cell predicts the box of its object."""
    cells = assign_covered_cells(targets)
    wh, offset = torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32)
    for index, x, y, weight in zip(*cells, strict=True):
        if weight > 0:
            center = targets.centers[index] + targets.offsets[index]
            wh[0, :, y, x] = targets.sizes[index]
            offset[0, :, y, x] = center - torch.stack([x, y])
    return wh, offset


def test_right_boxes_cost_nothing_and_are_decoded():
    head = make_head(loss_bbox=GIOU)
    targets = targets_of(BOXES)
    heatmap = torch.full((1, 3, 32, 32), -9.0)
    x, y = targets.centers.unbind(1)
    # A peak next to the center predicts the same box.
    heatmap[0, 0, y, x + torch.tensor([1, 1, 0])] = 9.0
    maps = [[heatmap], *([one] for one in right_maps(targets))]
    losses = loss(head, maps, [instances(BOXES)])
    for name in ('loss_wh', 'loss_offset', 'loss_bbox'):
        assert float(losses[name]) == pytest.approx(0, abs=1e-5)
    (found,) = head.predict_by_feat(*maps, [META])
    order = found.bboxes[:3, 0].argsort()
    torch.testing.assert_close(found.bboxes[:3][order], torch.tensor(BOXES))


def test_losses_equal_a_slow_sum():
    head = make_head(loss_bbox=GIOU)
    maps = random_maps(head)
    targets = targets_of(BOXES)
    losses = loss(head, maps, [instances(BOXES)])
    wh, offset = (one[0] for one in maps[1:])
    sums = dict(loss_wh=0.0, loss_offset=0.0, loss_bbox=0.0)
    for index, x, y, weight in zip(*assign_covered_cells(targets), strict=True):
        cell = torch.stack([x, y]).float()
        center = targets.centers[index] + targets.offsets[index]
        size = targets.sizes[index]
        pred_center, pred_size = cell + offset[0, :, y, x], wh[0, :, y, x]
        sums['loss_wh'] += 0.1 * weight * F.l1_loss(pred_size, size)
        sums['loss_offset'] += weight * F.l1_loss(pred_center, center)
        extent = pred_size.clamp(min=SMALLEST_SIZE)
        pred = torch.cat([pred_center - extent / 2, pred_center + extent / 2])
        true = torch.cat([center - size / 2, center + size / 2])
        sums['loss_bbox'] += 2 * weight * giou_loss(pred[None], true[None])
    for name, total in sums.items():
        assert float(losses[name]) == pytest.approx(float(total) / len(BOXES), rel=1e-4)


def test_other_cells_learn_no_boxes():
    head = make_head(loss_bbox=GIOU)
    maps = random_maps(head)
    for one in maps:
        one[0].requires_grad_()
    targets = targets_of(BOXES)
    sum(loss(head, maps, [instances(BOXES)]).values()).backward()
    cells = assign_covered_cells(targets)
    learning = torch.zeros(32, 32, dtype=torch.bool)
    learning[cells.ys[cells.weights > 0], cells.xs[cells.weights > 0]] = True
    for one in maps[1:]:
        moved = one[0].grad[0].abs().sum(0) > 0
        assert torch.equal(moved, learning)


def test_without_objects():
    head = make_head(loss_bbox=GIOU)
    feats = [torch.randn(2, 8, 32, 32)]
    losses = loss(head, head(feats), [instances([])] * 2)
    assert float(losses['loss_bbox']) == 0
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_sizes_are_predicted_in_units():
    torch.manual_seed(0)
    feats = [torch.randn(1, 8, 32, 32)]
    plain, head = make_head(), make_head(wh_unit=16)
    head.load_state_dict(plain.state_dict())
    for name, ours, theirs in zip(
        ('heatmap', 'wh', 'offset'), head(feats), plain(feats), strict=True
    ):
        factor = 16 if name == 'wh' else 1
        torch.testing.assert_close(ours[0], factor * theirs[0])


@pytest.mark.parametrize('unit', [0, -1, float('nan'), float('inf'), '16'])
def test_bad_units(unit):
    with pytest.raises(ValueError, match='wh_unit is'):
        make_head(wh_unit=unit)


def test_huge_boxes_have_a_finite_loss():
    """Their areas would overflow in float32."""
    assigner = dict(type='CenterNetTargetAssigner', clip_boxes=False)
    head = make_head(loss_bbox=GIOU, train_cfg=dict(assigner=assigner))
    huge = [[-1e30, -1e30, 1e30, 1e30], [8.0, 12, 60, 90]]
    losses = loss(head, random_maps(head), [instances(huge)])
    assert all(value.isfinite() for value in losses.values())
