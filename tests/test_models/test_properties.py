"""Properties of objects from the ground truth to the loss, and from maps to objects."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample

from helpers.heads import META, instances, make_head
from mmdet_centernet.codecs import paint_heatmap

PROPERTIES = dict(
    angle=dict(type='AngleProperty', key='angles'),
    distance=dict(type='ScalarProperty', key='distances', scale='log'),
    motion=dict(type='VectorProperty', key='motions', is_displacement=True),
    keypoints=dict(type='KeypointsProperty', num_points=3, flip_pairs=[(0, 1)]),
)
JOINTS = dict(joint=dict(type='JointPoints', keypoints='keypoints'))
BOXES = [[8.0, 12, 60, 90], [40.0, 30, 100, 70], [100.0, 100, 113, 114]]
FIELDS = dict(
    angles=[10.0, 200.0, 359.0],
    distances=[0.5, 3.0, 80.0],
    motions=[[1.0, -8.0], [20.0, 3.0], [0.0, 0.5]],
    keypoints=[
        [[10.0, 14], [50, 40], [33, 80]],
        [[41.0, 60], [99, 31], [70, 50]],
        [[101.0, 101], [110, 105], [103, 112]],
    ],
)


def sample(fields=FIELDS, boxes=BOXES):
    gt = instances(boxes)
    for key, values in fields.items():
        gt[key] = torch.tensor(values)
    return DetDataSample(gt_instances=gt, metainfo=META)


def feats(batch=1, stacks=1):
    torch.manual_seed(1)
    return [torch.randn(batch, 8, 32, 32) for _ in range(stacks)]


def test_without_properties_nothing_is_new():
    head = make_head()
    assert {name.split('.')[0] for name in head.state_dict()} == {
        'heatmap_head',
        'wh_head',
        'offset_head',
    }
    losses = head.loss(feats(), [sample({})])
    assert list(losses) == ['loss_center_heatmap', 'loss_wh', 'loss_offset']


@pytest.mark.parametrize('options', [{}, dict(loss_bbox=dict(type='GIoULoss'))])
@pytest.mark.parametrize('num_stacks', [1, 2])
def test_every_branch_learns(options, num_stacks):
    head = make_head(
        properties=PROPERTIES, point_sets=JOINTS, num_stacks=num_stacks, **options
    )
    losses = head.loss(feats(2, num_stacks), [sample(), sample()])
    names = [*PROPERTIES, 'joint_heatmap', 'joint_offset']
    assert {f'loss_{name}' for name in names} <= losses.keys()
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def perfect_maps(head, one):
    """Maps that equal their targets in the supervised cells."""
    shape = (1, head.num_classes, 32, 32)
    gt = one.gt_instances
    targets = head.assigner.assign([gt.bboxes], [gt.labels], shape, stride=4)
    head_targets = head._make_head_targets(targets, [gt])
    maps = {
        name: paint_heatmap(points).logit(eps=1e-6)
        for name, (points, _) in head_targets.heatmaps.items()
    }
    for name, target in head_targets.regressions.items():
        maps[name] = torch.zeros(1, target.values.shape[1], 32, 32)
        maps[name][target.images, :, target.ys, target.xs] = target.values
    return maps


def test_maps_that_equal_their_targets_decode_to_the_ground_truth():
    head = make_head(num_classes=1, properties=PROPERTIES, point_sets=JOINTS)
    one = sample()
    (found,) = head.predict_maps(perfect_maps(head, one), [META])
    found = found[:3][found.bboxes[:3, 0].argsort()]
    gt = one.gt_instances
    for key in ('bboxes', *FIELDS):
        torch.testing.assert_close(found[key], gt[key], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('options', [{}, dict(loss_bbox=dict(type='GIoULoss'))])
def test_unlabeled_values_leave_no_gradient(options):
    """The loss of a batch is that of its labeled objects."""
    fields = copy.deepcopy(FIELDS)
    fields['angles'][1] = float('nan')
    fields['keypoints'][1][2] = [float('nan')] * 2
    head = make_head(properties=PROPERTIES, **options)
    outs = head(feats())
    angle, keypoints = outs[3][0], outs[6][0]
    for one in (angle, keypoints):
        one.retain_grad()
    losses = head.loss_by_feat(
        *outs[:3],
        [sample(fields).gt_instances],
        [META],
        other_preds=outs[3:],
    )
    sum(losses.values()).backward()
    x, y = 70 // 4, 50 // 4  # center of the second object
    assert angle.grad[0, :, y, x].abs().sum() == 0
    assert keypoints.grad[0, 4:, y, x].abs().sum() == 0
    assert keypoints.grad[0, :4, y, x].abs().sum() > 0
    without = [0, 2]
    alone = {key: [rows[i] for i in without] for key, rows in FIELDS.items()}
    expected = head.loss(feats(), [sample(alone, [BOXES[i] for i in without])])
    if not options:  # under whole Gaussians the second object covers others' cells
        torch.testing.assert_close(losses['loss_angle'], expected['loss_angle'])


def test_objects_that_share_a_cell_are_both_learned():
    boxes = [[20.0, 20, 40, 40], [10.0, 10, 51, 51]]
    fields = dict(distances=[1.0, 100.0])
    head = make_head(properties=dict(distance=PROPERTIES['distance']))
    outs = head(feats())
    losses = head.loss_by_feat(
        *outs[:3], [sample(fields, boxes).gt_instances], [META], other_preds=outs[3:]
    )
    pred = outs[3][0][0, 0, 7, 7]
    target = torch.tensor([1.0, 100.0]).log()
    torch.testing.assert_close(losses['loss_distance'], (pred - target).abs().mean())


def test_unlabeled_objects_of_a_required_property_train_the_heatmap_only():
    fields = dict(keypoints=copy.deepcopy(FIELDS['keypoints']))
    fields['keypoints'][1] = [[float('nan')] * 2] * 3
    keypoints = dict(PROPERTIES['keypoints'], required=True)
    head = make_head(properties=dict(keypoints=keypoints))
    losses = head.loss(feats(), [sample(fields)])
    rows = [0, 2]
    fields = dict(keypoints=[fields['keypoints'][i] for i in rows])
    others = head.loss(feats(), [sample(fields, [BOXES[i] for i in rows])])
    for name in ('loss_wh', 'loss_offset', 'loss_keypoints'):
        torch.testing.assert_close(losses[name], others[name])
    optional = make_head(properties=dict(keypoints=PROPERTIES['keypoints']))
    all_heat = optional.loss(feats(), [sample(dict(keypoints=FIELDS['keypoints']))])
    torch.testing.assert_close(
        losses['loss_center_heatmap'], all_heat['loss_center_heatmap']
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    properties = dict(
        PROPERTIES, depth=dict(type='ScalarProperty', key='d', scale='inverse_sigmoid')
    )
    head = make_head(properties=properties, point_sets=JOINTS)
    fields = dict(FIELDS, d=FIELDS['distances'])
    maps = [[stack.to(dtype) for stack in stacks] for stacks in head(feats())]
    losses = head.loss_by_feat(
        *maps[:3], [sample(fields).gt_instances], [META], other_preds=maps[3:]
    )
    full = head.loss(feats(), [sample(fields)])
    for name, value in losses.items():
        torch.testing.assert_close(value, full[name], rtol=0.02, atol=0.02)


def test_predictions_go_back_to_the_original_image():
    """The same maps seen through a pipeline that scaled and flipped the image."""
    head = make_head(num_classes=1, properties=PROPERTIES)
    outs = head(feats())
    plain = dict(META, homography_matrix=np.eye(3))
    matrix = np.array([[-0.5, 0, 120], [0, 0.5, 0], [0, 0, 1]])  # to the input
    (same,), (back,) = (
        head.predict_by_feat(*outs[:3], [meta], other_preds=outs[3:])
        for meta in (plain, dict(plain, homography_matrix=matrix))
    )
    torch.testing.assert_close(back.distances, same.distances)
    flipped = (180 - same.angles).remainder(360)
    gaps = (back.angles - flipped).remainder(360)
    assert gaps.minimum(360 - gaps).max() < 1e-3
    torch.testing.assert_close(back.motions, same.motions * torch.tensor([-2.0, 2.0]))
    points = torch.stack(
        [(120 - same.keypoints[..., 0]) * 2, same.keypoints[..., 1] * 2], dim=-1
    )
    torch.testing.assert_close(back.keypoints, points[:, [1, 0, 2]])


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({}, "have no 'angles'.*LoadProperties"),
        (dict(angles=[[1.0, 2.0]] * 3), r'shape \(3, 2\); AngleProperty needs \(3,\)'),
        (dict(angles=[1.0]), r'shape \(1,\)'),
    ],
)
def test_ground_truth_without_the_property_is_refused(fields, message):
    head = make_head(properties=dict(angle=PROPERTIES['angle']))
    gt = dict(gt_instances=instances(BOXES))
    one = DetDataSample(**gt, metainfo=META)
    for key, values in fields.items():
        one.gt_instances.__dict__[key] = torch.tensor(values)
        one.gt_instances._data_fields.add(key)
    with pytest.raises(ValueError, match=message):
        head.loss(feats(), [one])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(properties=dict(wh=PROPERTIES['angle'])), "called 'wh'"),
        (
            dict(properties=dict(a=dict(type='ScalarProperty', key='bboxes'))),
            "is 'bboxes', a field that every object has",
        ),
        (
            dict(properties=dict(a=PROPERTIES['angle'], b=PROPERTIES['angle'])),
            "a and b both have the key 'angles'",
        ),
        (
            dict(
                properties=PROPERTIES,
                point_sets=dict(j=dict(type='JointPoints', keypoints='angle')),
            ),
            'name a KeypointsProperty',
        ),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_head(**options)


def test_without_an_offset_centers_lie_in_the_middle_of_cells():
    head = make_head(num_classes=1, loss_offset=None)
    assert not any(name.startswith('offset') for name in head.state_dict())
    losses = head.loss(feats(), [sample({})])
    assert 'loss_offset' not in losses
    (found,) = head.predict(feats(), [sample({})])
    centers = (found.bboxes[:, :2] + found.bboxes[:, 2:]) / 2
    torch.testing.assert_close(centers.remainder(4), torch.full_like(centers, 2.0))


def test_maps_that_are_left_out_are_named():
    head = make_head(properties=dict(angle=PROPERTIES['angle']))
    outs = head(feats())
    with pytest.raises(ValueError, match=r"'angle'\], but 3 lists.*other_preds"):
        head.predict_by_feat(*outs[:3], [META])
