"""The whole head on human pose, against the official implementation."""

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import LoadAnnotations
from mmengine.structures import InstanceData

from helpers.official_pose import (
    IMAGE_WIDTH,
    NUM_JOINTS,
    golden_decoder_maps,
    golden_heatmap,
    golden_people,
    golden_predictions,
)
from helpers.shared_data import load_golden
from helpers.views import Canned, join, run, view
from mmdet_centernet.codecs import (
    HeadTargets,
    HeatmapTarget,
    KeypointsProperty,
    PointTargets,
    RegressionTarget,
    SparseHeatmap,
    paint_heatmap,
)
from mmdet_centernet.models import CTDetHead, CTDetTTAModel
from mmdet_centernet.transforms import (
    LoadProperties,
    PackPropertyInputs,
    RandomCenterAffine,
)
from mmdet_centernet.transforms.center_affine import View

FLIP_PAIRS = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
OURS = dict(
    hm='heatmap',
    wh='wh',
    reg='offset',
    hps='keypoints',
    hm_hp='joint_heatmap',
    hp_offset='joint_offset',
)
LOSSES = dict(
    hm_loss='loss_center_heatmap',
    wh_loss='loss_wh',
    off_loss='loss_offset',
    hp_loss='loss_keypoints',
    hm_hp_loss='loss_joint_heatmap',
    hp_offset_loss='loss_joint_offset',
)
WEIGHTS = dict(wh_loss=0.1)
SOFT_NMS = dict(type='soft_nms', method='gaussian', sigma=0.5, min_score=0.001)
POSE = dict(
    properties=dict(
        keypoints=dict(
            type='KeypointsProperty',
            flip_pairs=FLIP_PAIRS,
            flip_sum=0,
            required=True,
        )
    ),
    point_sets=dict(joint=dict(type='JointPoints')),
    train_cfg=dict(assigner=dict(type='CenterNetTargetAssigner', max_objects=32)),
)


def our_maps(official):
    return {OURS[name]: one for name, one in official.items()}


@pytest.mark.parametrize('case', ['few', 'many', 'none', 'train'])
def test_targets_equal_golden(case):
    golden = load_golden('pose')
    boxes, joints = golden_people(case)
    people = InstanceData(
        bboxes=boxes * 4,
        labels=torch.zeros(len(boxes), dtype=torch.long),
        keypoints=joints * 4,
    )
    head = CTDetHead(8, 8, 1, **POSE)
    targets = head._assign([people], None, (1, 1, 128, 128))
    heatmaps, regressions = head._make_head_targets(targets, [people])

    for name in ('hm', 'hm_hp'):
        painted = paint_heatmap(heatmaps[OURS[name]].points)[0]
        expected = golden_heatmap(case, name)
        torch.testing.assert_close(painted, expected, rtol=0, atol=1e-6)
    fields = dict(
        wh=('reg_mask', 'ind'),
        reg=('reg_mask', 'ind'),
        hps=('hps_mask', 'ind'),
        hp_offset=('hp_mask', 'hp_ind'),
    )
    for name, (mask, place) in fields.items():
        target = regressions[OURS[name]]
        rows = len(target.values)
        mask = golden[f'{case}__{mask}'].reshape(len(golden[f'{case}__{mask}']), -1)
        assert not mask[rows:].any()
        mask = np.broadcast_to(mask[:rows], target.values.shape)
        assert np.array_equal(target.weights.numpy(), mask), name
        expected = golden[f'{case}__{name}'][:rows] * mask
        np.testing.assert_allclose(target.values, expected, rtol=0, atol=2e-5)
        learns = mask.any(1)
        found = (target.ys * 128 + target.xs).numpy()[learns]
        assert np.array_equal(found, golden[f'{case}__{place}'][:rows][learns]), name


def shown_people(case, view):
    """The people of a case after the training transform, and meta information."""
    golden, prop = load_golden('pose'), KeypointsProperty(flip_pairs=FLIP_PAIRS)
    boxes = golden[f'{case}__ann_bbox_xywh'].copy()
    boxes[:, 2:] += boxes[:, :2]
    joints = golden[f'{case}__ann_keypoints'].reshape(-1, 3 * NUM_JOINTS)
    instances = [
        dict(
            bbox=box.tolist(),
            bbox_label=0,
            ignore_flag=0,
            properties=dict(keypoints=prop.read(values.tolist())),
        )
        for box, values in zip(boxes, joints, strict=True)
    ]
    sample = dict(img=np.zeros((512, 512, 3), np.uint8), instances=instances)
    sample = LoadAnnotations(with_bbox=True)(sample)
    sample = LoadProperties(POSE['properties'])(sample)
    sample = RandomCenterAffine((512, 512)).show(sample, view)
    sample = PackPropertyInputs(meta_keys=())(sample)['data_samples']
    people = sample.gt_instances
    people.bboxes = people.bboxes.tensor
    return people, dict(sample.metainfo)


def test_targets_behind_the_pipeline_equal_golden():
    """From COCO's numbers through the flipped view of the training to the maps."""
    golden = load_golden('pose')
    (x, y), side = golden['train__c'].tolist(), golden['train__s'].item()
    view = View((IMAGE_WIDTH - 1 - x, y), side, True)  # ours is before the flip
    people, _ = shown_people('train', view)
    head = CTDetHead(8, 8, 1, **POSE)
    targets = head._assign([people], None, (1, 1, 128, 128))
    heatmaps, regressions = head._make_head_targets(targets, [people])
    for name in ('hm', 'hm_hp'):
        painted = paint_heatmap(heatmaps[OURS[name]].points)[0]
        expected = golden_heatmap('train', name)
        torch.testing.assert_close(painted, expected, rtol=0, atol=1e-6)
    target = regressions['keypoints']
    mask = golden['train__hps_mask'].astype(bool)
    found = target.values[target.weights > 0]
    np.testing.assert_allclose(found, golden['train__hps'][mask], rtol=0, atol=5e-5)


def rotated_people():
    """The people of the rotated case in the view that was drawn for them."""
    golden = load_golden('pose')
    transform = RandomCenterAffine((512, 512), rotation_prob=1.0, max_rotation=60.0)
    np.random.seed(int(golden['train_rot__np_seed']))
    view = transform._draw(512, 512)
    return shown_people('train_rot', view), view


def test_the_same_seed_draws_the_official_rotation():
    golden = load_golden('pose')
    (_, meta), view = rotated_people()
    assert view.center == tuple(golden['train_rot__c'])
    assert view.side == pytest.approx(golden['train_rot__s'].item())
    assert view.angle == pytest.approx(golden['train_rot__rot'].item(), rel=1e-12)
    assert not view.flip
    assert meta['rotated']


def test_of_a_rotated_view_the_joint_heatmap_is_learned_alone():
    golden = load_golden('pose')
    (people, meta), _ = rotated_people()
    head = CTDetHead(8, 8, 1, **POSE)
    targets = head._assign([people], None, (1, 1, 128, 128))
    assert targets.valid.all()
    heatmaps, regressions = head._make_head_targets(targets, [people], [meta])

    painted = paint_heatmap(heatmaps['joint_heatmap'].points)[0]
    expected = golden_heatmap('train_rot', 'hm_hp')
    torch.testing.assert_close(painted, expected, rtol=0, atol=1e-6)
    target = regressions['joint_offset']
    rows = len(target.values)
    mask = golden['train_rot__hp_mask'][:rows].astype(bool)
    assert not golden['train_rot__hp_mask'][rows:].any()
    assert np.array_equal(target.weights.numpy(), np.stack([mask, mask], 1))
    found = (target.ys * 128 + target.xs).numpy()
    assert np.array_equal(found[mask], golden['train_rot__hp_ind'][:rows][mask])
    expected = golden['train_rot__hp_offset'][:rows]
    np.testing.assert_allclose(target.values[mask], expected[mask], rtol=0, atol=2e-4)

    assert not any(
        regressions[name].weights.any() for name in ('wh', 'offset', 'keypoints')
    )
    assert heatmaps['heatmap'].heatmap.num_peaks == 0
    assert not len(heatmaps['heatmap'].heatmap.positions)
    assert heatmaps['heatmap'].points.ignored.all()
    assert heatmaps['joint_heatmap'].points.ignored is None


def test_a_rotated_image_has_the_official_loss():
    """Officially 0.9999 everywhere; the loss of that is that of no cell at all."""
    (people, meta), _ = rotated_people()
    head = CTDetHead(8, 8, 1, **POSE)
    outs = [[torch.randn(1, count, 128, 128)] for count in (1, 2, 2, 34, 17, 2)]
    meta['batch_input_shape'] = (512, 512)
    losses = head.loss_by_feat(*outs[:3], [people], [meta], other_preds=outs[3:])
    target = golden_heatmap('train_rot', 'hm')[None]
    official = head.loss_center_heatmap(outs[0][0], target, avg_factor=1)
    assert official.item() == pytest.approx(0, abs=1e-10)
    nothing = ('loss_center_heatmap', 'loss_wh', 'loss_offset', 'loss_keypoints')
    assert [losses[name].item() for name in nothing] == [0] * 4
    assert min(losses[f'loss_joint_{name}'] for name in ('heatmap', 'offset')) > 0.1


def test_images_beside_a_rotated_one_are_learned_as_ever():
    (turned, meta), _ = rotated_people()
    boxes, joints = golden_people('few')
    people = InstanceData(
        bboxes=boxes * 4,
        labels=torch.zeros(len(boxes), dtype=torch.long),
        keypoints=joints * 4,
    )
    crowd = InstanceData(bboxes=torch.tensor([[0.0, 0, 80, 40]]))
    head = CTDetHead(8, 8, 1, **POSE)
    batch, ignored = [turned, people], [None, crowd]
    targets = head._assign(batch, ignored, (2, 1, 128, 128))
    masked = head._make_head_targets(targets, batch, [meta, dict(rotated=False)])
    whole = head._make_head_targets(targets, batch)
    for name in ('wh', 'offset', 'keypoints'):
        kept = whole.regressions[name].weights.clone()
        kept[: len(turned)] = 0
        assert torch.equal(masked.regressions[name].weights, kept)
    ours, expected = (
        paint_heatmap(one.heatmaps['heatmap'].points) for one in (masked, whole)
    )
    assert not ours[0].any()
    assert torch.equal(ours[1], expected[1])
    assert expected.flatten(1).any(1).all()
    seen = masked.heatmaps['heatmap'].points.ignored
    assert seen[0].all()
    assert torch.equal(seen[1], targets.ignored[1])
    assert torch.equal(masked.heatmaps['joint_heatmap'].points.ignored, targets.ignored)


def test_without_joint_heatmaps_a_rotated_image_is_refused():
    (people, meta), _ = rotated_people()
    head = CTDetHead(8, 8, 1, **{**POSE, 'point_sets': None})
    targets = head._assign([people], None, (1, 1, 128, 128))
    with pytest.raises(ValueError, match=r'image 0 is rotated, .* add JointPoints'):
        head._make_head_targets(targets, [people], [meta])


def golden_head_targets(case):
    """The targets of a golden case of losses, as the head holds them."""
    golden = load_golden('pose')

    def field(name):
        return torch.tensor(golden[f'{case}__target_{name}'])

    def heat(name):
        heatmap = field(name)
        cells = heatmap.flatten().nonzero().squeeze(1)
        nothing = torch.zeros(0, dtype=torch.long)
        targets = PointTargets(
            images=nothing,
            labels=nothing,
            centers=nothing.view(0, 2),
            offsets=nothing.view(0, 2),
            radii=nothing,
            valid=nothing.bool(),
            ignored=None,
            shape=tuple(heatmap.shape),
        )
        listed = SparseHeatmap(cells, heatmap.flatten()[cells], heatmap.eq(1).sum())
        return HeatmapTarget(targets, listed)

    def regression(name, mask, place):
        values = field(name).flatten(0, 1)
        weights = field(mask).float().flatten(0, 1).reshape(len(values), -1)
        images = torch.arange(2).repeat_interleave(len(values) // 2)
        cells = field(place).flatten()
        return RegressionTarget(
            images, cells % 24, cells // 24, values, weights.expand_as(values)
        )

    return HeadTargets(
        dict(heatmap=heat('hm'), joint_heatmap=heat('hm_hp')),
        dict(
            wh=regression('wh', 'reg_mask', 'ind'),
            offset=regression('reg', 'reg_mask', 'ind'),
            keypoints=regression('hps', 'hps_mask', 'ind'),
            joint_offset=regression('hp_offset', 'hp_mask', 'hp_ind'),
        ),
    )


@pytest.mark.parametrize('case', ['loss', 'loss_empty'])
def test_losses_and_gradients_equal_golden(case):
    golden = load_golden('pose')
    head_targets = golden_head_targets(case)
    official = golden_predictions(case)
    for one in official.values():
        one.requires_grad_()
    losses = CTDetHead(8, 8, 1, **POSE)._stack_losses(our_maps(official), head_targets)

    # Official means divide by the number of values + 1e-4.
    counts = {
        OURS[name]: head_targets.regressions[OURS[name]].weights.sum().item()
        for name in ('wh', 'reg', 'hps', 'hp_offset')
    }
    fixes = {f'loss_{name}': n / (n + 1e-4) for name, n in counts.items()}
    values = dict(
        zip(golden[f'{case}__names'], golden[f'{case}__values'].tolist(), strict=True)
    )
    assert losses.keys() == set(LOSSES.values())
    for name, ours in LOSSES.items():
        found = losses[ours].item() * fixes.get(ours, 1.0)
        expected = values[name] * WEIGHTS.get(name, 1.0)
        assert found == pytest.approx(expected, rel=1e-5), name
    total = sum(loss * fixes.get(name, 1.0) for name, loss in losses.items())
    assert total.item() == pytest.approx(values['loss'], rel=1e-5)

    total.backward()
    for name, one in official.items():
        np.testing.assert_allclose(
            one.grad, golden_gradient(case, name, one.shape), rtol=1e-5, atol=1e-7
        )


def golden_gradient(case, name, shape):
    golden = load_golden('pose')
    if f'{case}__grad_{name}' in golden:
        return golden[f'{case}__grad_{name}']
    gradient = np.zeros(shape, np.float32)
    gradient.flat[golden[f'{case}__grad_{name}_idx']] = golden[
        f'{case}__grad_{name}_val'
    ]
    return gradient


def as_rows(found):
    """Boxes, scores and joints of an image, as the official code lists them."""
    joints = found.keypoints.flatten(1)
    return torch.cat([found.bboxes, found.scores[:, None], joints], 1).numpy()


@pytest.mark.parametrize(
    ('case', 'head', 'without'),
    [
        ('full', {}, ()),
        (
            'no_hp_offset',
            dict(point_sets=dict(joint=dict(type='JointPoints', loss_offset=None))),
            ('hp_offset',),
        ),
        ('no_hm_hp', dict(point_sets=None), ('hm_hp', 'hp_offset')),
        (
            'no_reg',
            dict(point_sets=None, loss_offset=None),
            ('hm_hp', 'hp_offset', 'reg'),
        ),
    ],
)
def test_decoded_people_equal_golden(case, head, without):
    official = golden_decoder_maps('decode')
    height, width = official['hm'].shape[2:]
    head = CTDetHead(8, 8, 1, stride=1, **{**POSE, **head})
    if 'reg' in without:
        feats = torch.zeros(2, 8, height, width)
        official['reg'] = head([feats])[head.map_names.index('offset')][0]
    kept = {k: v for k, v in official.items() if k not in without or k == 'reg'}
    maps = our_maps(kept)
    assert set(head.map_names) == maps.keys()
    outs = [[maps[name]] for name in head.map_names]
    found = head.predict_by_feat(*outs[:3], other_preds=outs[3:])
    for one, expected in zip(
        found, load_golden('pose')[f'decode__{case}'], strict=True
    ):
        rows = as_rows(one)
        np.testing.assert_allclose(rows, expected[:, :39], rtol=0, atol=1e-4)
        np.testing.assert_allclose(rows[:, 4], expected[:, 4], rtol=0, atol=1e-6)


class CannedPose(Canned):
    """A network that returns given maps of a person."""

    def _forward(self, inputs, samples=None):
        numbers = inputs[:, 0, 0, 0].int().tolist()
        return tuple(
            [torch.cat([self.maps[n][branch] for n in numbers])]
            for branch in range(len(self.bbox_head.map_names))
        )


def flipped_pose(stride, **head):
    """The network of the flipped golden case, and its view."""
    maps = our_maps(golden_decoder_maps('flip'))
    names = CTDetHead(1, 1, 1, **POSE).map_names
    per_image = [[maps[name][number, None] for name in names] for number in (0, 1)]
    height, width = (stride * length for length in maps['heatmap'].shape[2:])
    model = CannedPose(per_image, stride=stride, **POSE, **head)
    return model, (height, width)


def test_flipped_people_equal_golden():
    model, size = flipped_pose(stride=1)
    (found,) = run(CTDetTTAModel(model), join(view((0, 1), size=size)))
    expected = load_golden('pose')['flip__dets_feature'][0, :, :39]
    np.testing.assert_allclose(as_rows(found), expected, rtol=0, atol=1e-4)


def view_of_image():
    """The view in which the official code shows the golden image."""
    golden = load_golden('pose')
    height, width = golden['flip__img_hw'].tolist()
    view_width, view_height = golden['flip__meta_s'].tolist()
    matrix = np.eye(3)
    matrix[:2, 2] = view_width / 2 - width // 2, view_height / 2 - height // 2
    return dict(homography_matrix=matrix, ori_shape=(height, width))


def test_flipped_people_in_pixels_of_the_image_equal_golden():
    model, size = flipped_pose(stride=4)
    views = view((0, 1), size=size, metas=[view_of_image()])
    (found,) = run(CTDetTTAModel(model), join(views))
    expected = load_golden('pose')['flip__dets_feature'][0, :, :39]
    left, top = view_of_image()['homography_matrix'][:2, 2]
    columns = [0, 2, *range(5, 39, 2)], [1, 3, *range(6, 39, 2)]
    for axis, border in zip(columns, (left, top), strict=True):
        expected[:, axis] = 4 * expected[:, axis] - border
    np.testing.assert_allclose(as_rows(found), expected, rtol=0, atol=1e-3)


def test_joints_stay_with_their_boxes_in_the_soft_nms():
    model, size = flipped_pose(
        stride=4, test_cfg=dict(nms=dict(SOFT_NMS, offset=1), max_per_img=100)
    )
    views = view((0, 1), size=size, metas=[view_of_image()])
    (found,) = run(CTDetTTAModel(model), join(views))
    golden = load_golden('pose')
    # Rows behind those are what the official code leaves of removed ones.
    expected = golden['flip__softnms39_array_after']
    expected = expected[: int(golden['flip__softnms39_num_keep'])]
    expected = expected[np.argsort(-expected[:, 4], kind='stable')]
    np.testing.assert_allclose(as_rows(found), expected, rtol=0, atol=1e-3)


def test_flip_pairs_are_the_official_ones():
    pairs = [tuple(pair) for pair in load_golden('pose')['flip_idx'].tolist()]
    assert pairs == FLIP_PAIRS
    prop = CTDetHead(8, 8, 1, **POSE).properties['keypoints']
    assert sorted(prop.flipped_order) == list(range(NUM_JOINTS))
