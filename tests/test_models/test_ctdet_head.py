import warnings

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.models.dense_heads import CenterNetHead
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from shared_data import golden_cases, load_golden

import mmdet_centernet  # noqa: F401
from mmdet_centernet.codecs import CenterTargets, Heat
from mmdet_centernet.models import CTDetHead, GaussianFocalLossWithLogits

META = dict(
    img_path='photo.jpg',
    img_shape=(128, 128),
    batch_input_shape=(128, 128),
    ori_shape=(128, 128),
)


def make_head(num_classes=3, **kwargs):
    torch.manual_seed(0)
    head = CTDetHead(8, 8, num_classes, **kwargs)
    head.init_weights()
    return head


def instances(boxes, labels=None):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).view(-1, 4)
    labels = torch.zeros(len(boxes)) if labels is None else torch.as_tensor(labels)
    return InstanceData(bboxes=boxes, labels=labels.long())


def random_maps(head, batch=1, size=32):
    channels = (head.num_classes, 2, 2)
    return [
        [torch.randn(batch, c, size, size) for _ in range(head.num_stacks)]
        for c in channels
    ]


def loss(head, maps, gt, metas=None, ignored=None):
    return head.loss_by_feat(*maps, gt, metas or [META] * len(gt), ignored)


def perfect_maps(head, boxes, labels, feat_shape, input_shape):
    """Maps of a network that has learned its targets by heart."""
    shape = (len(boxes), head.num_classes, *feat_shape)
    targets, _ = head.get_targets(boxes, labels, shape, input_shape)
    heat = targets['center_heatmap_target'].logit(eps=1e-6)
    return [heat], [targets['wh_target']], [targets['offset_target']]


# --- the losses -----------------------------------------------------------------------


@pytest.mark.parametrize('case', golden_cases('losses', 'two_stack_total'))
def test_losses_of_stacks_equal_golden(case):
    """Boxes rebuilt from the golden targets; the mean of two stacks is official."""
    golden = load_golden('losses')

    def field(name):
        return torch.tensor(golden[f'{case}__{name}'])

    if 'saturated' in case:
        pytest.skip('the official clamp acts; ours has none, see docs/loss.md')
    head = CTDetHead(8, 8, 5, num_stacks=2, train_cfg=None)
    maps = [
        [field(f'{name}'), field(f'stack1_{name}')]
        for name in ('hm_logits', 'wh_pred', 'reg_pred')
    ]
    stack_losses = [
        head._stack_losses(*stack, *golden_targets(field))
        for stack in zip(*maps, strict=True)
    ]
    names = ('loss_center_heatmap', 'loss_wh', 'loss_offset')
    means = [(stack_losses[0][n] + stack_losses[1][n]) / 2 for n in names]
    num_objects = int(field('target_reg_mask').sum())
    # The official denominator is 2 n + 1e-4, and its total weighs sizes by 0.1.
    fix = 2 * num_objects / (2 * num_objects + 1e-4)
    total, heat, size, offset = field('two_stack_total').tolist()
    assert float(means[0]) == pytest.approx(heat, rel=1e-5)
    assert float(means[1]) == pytest.approx(0.1 * size / max(fix, 1e-9), rel=1e-5)
    assert float(means[2]) == pytest.approx(offset / max(fix, 1e-9), rel=1e-5)
    assert float(sum(means)) == pytest.approx(total, rel=5e-5)


def golden_targets(field):
    """Objects and heat of a golden case as the head holds them."""
    mask = field('target_reg_mask').bool()
    images, slots = mask.nonzero(as_tuple=True)
    cells = field('target_ind')[images, slots]
    count = len(cells)
    targets = CenterTargets(
        images=images,
        labels=torch.zeros(count, dtype=torch.long),
        centers=torch.stack([cells % 16, cells // 16], 1),
        sizes=field('target_wh')[images, slots],
        offsets=field('target_reg')[images, slots],
        radii=torch.zeros(count, dtype=torch.long),
        valid=torch.ones(count, dtype=torch.bool),
        dropped=torch.zeros(count, dtype=torch.bool),
        mislabeled=torch.zeros(count, dtype=torch.bool),
        ignored=None,
        shape=tuple(field('target_hm').shape),
        max_radius=16,
    )
    heatmap = field('target_hm').flatten()
    index = heatmap.nonzero().squeeze(1)
    return targets, Heat(index, heatmap[index], heatmap.eq(1).sum())


def test_stacks_are_averaged_and_the_last_is_decoded():
    head = make_head(num_stacks=2)
    maps, gt = random_maps(head), [instances([[8, 8, 60, 60]])]
    both = loss(head, maps, gt)
    single = make_head()
    halves = [loss(single, [[m[s]] for m in maps], gt) for s in range(2)]
    for name, value in both.items():
        torch.testing.assert_close(value, (halves[0][name] + halves[1][name]) / 2)
    last = single.predict_by_feat(*[[m[1]] for m in maps], [META])[0]
    assert torch.equal(head.predict_by_feat(*maps, [META])[0].bboxes, last.bboxes)


def test_every_stack_has_branches_of_its_own():
    head = make_head(num_stacks=2)
    feats = torch.randn(1, 8, 16, 16), torch.randn(1, 8, 16, 16)
    outs = head(feats)
    assert [len(branch) for branch in outs] == [2, 2, 2]
    assert not torch.equal(head((feats[0], feats[0]))[0][0], head(feats[::-1])[0][1])
    assert 'heatmap_head.1.0.weight' in head.state_dict()
    assert CTDetHead(8, 8, 3).state_dict().keys() == (
        CenterNetHead(8, 8, 3).state_dict().keys()
    )


def test_no_objects_give_finite_losses_and_gradients_everywhere():
    head = make_head()
    losses = head.loss_by_feat(
        *head([torch.randn(2, 8, 32, 32)]), [instances([])] * 2, [META] * 2
    )
    sum(losses.values()).backward()
    assert losses['loss_wh'] == losses['loss_offset'] == 0
    for parameter in head.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_both_of_two_objects_in_a_cell_pull_at_the_size():
    """D: stock overwrites the first. L1 to 4 and to 8 cells: any value between."""
    gt = instances([[48, 48, 64, 64], [40, 40, 72, 72]])
    head = make_head()
    heat, wh, offset = random_maps(head)
    for width, expected in ((3.0, 0.1 * 3.0), (6.0, 0.1 * 2.0)):
        wh[0][:] = width
        assert float(loss(head, [heat, wh, offset], [gt])['loss_wh']) == pytest.approx(
            expected
        )


def test_unusable_boxes_do_not_change_the_losses_and_are_named_once():
    head = make_head()
    maps = random_maps(head)
    good = [8, 8, 60, 60]
    broken = [[np.nan] * 4, [5, 5, 5, 9], [0, 0, np.inf, 9], [500, 500, 600, 600]]
    expected = loss(head, maps, [instances([good])])
    with pytest.warns(UserWarning, match=r'4 boxes of photo\.jpg are not finite'):
        got = loss(head, maps, [instances([good, *broken])])
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        loss(head, maps, [instances([good, *broken])])
    assert head.annotation_watch.num_dropped == 8


@pytest.mark.parametrize('label', [-1, 3, 255])
def test_labels_outside_the_classes_are_refused(label):
    head = make_head(num_classes=3)
    with pytest.raises(ValueError, match=r'1 labels of photo\.jpg .* num_classes'):
        loss(head, random_maps(head), [instances([[8, 8, 60, 60]], [label])])


def test_ignored_cells_are_no_negatives_but_peaks_stay():
    head = make_head()
    gt, region = instances([[40, 40, 56, 56]]), instances([[32, 32, 96, 96]])
    heat, wh, offset = random_maps(head)
    heat[0].requires_grad_()
    loss(head, [heat, wh, offset], [gt], ignored=[region])[
        'loss_center_heatmap'
    ].backward()
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[8:24, 8:24] = True
    gradient = heat[0].grad[0]
    assert gradient[0, 12, 12] != 0
    gradient[0, 12, 12] = 0
    assert gradient[:, inside].eq(0).all()
    assert gradient[:, ~inside].ne(0).all()


class DenseLoss(torch.nn.Module):
    """Somebody's own loss: it takes maps, as mmdet's losses do."""

    def __init__(self):
        super().__init__()
        self.loss = GaussianFocalLossWithLogits()

    def forward(self, *args, **kwargs):
        return self.loss(*args, **kwargs)


def test_a_loss_that_takes_maps_gets_the_same_targets():
    boxes = torch.tensor([[8.0, 8, 60, 60], [20, 20, 70, 80], [60, 60, 100, 124]])
    gt, region = instances(boxes, [0, 0, 2]), instances([[32, 32, 96, 96]])
    head = make_head()
    maps = random_maps(head)
    for ignored in (None, [region]):
        head.loss_center_heatmap = GaussianFocalLossWithLogits()
        sparse = loss(head, maps, [gt], ignored=ignored)
        head.loss_center_heatmap = DenseLoss()
        dense = loss(head, maps, [gt], ignored=ignored)
        torch.testing.assert_close(
            sparse['loss_center_heatmap'], dense['loss_center_heatmap']
        )


def test_box_types_of_the_pipeline_are_understood():
    head = make_head()
    maps, gt = random_maps(head), instances([[8, 8, 60, 60]])
    typed = instances([])
    typed = InstanceData(bboxes=HorizontalBoxes(gt.bboxes), labels=gt.labels)
    assert loss(head, maps, [gt]) == loss(head, maps, [typed])


# --- boxes out of maps ----------------------------------------------------------------


class LetterResize:
    """A transform like those of other libraries: scale, then pad on all sides."""

    def __call__(self, results):
        results['img'] = np.full((192, 192, 3), 114, np.float32)
        results['img_shape'] = (192, 192)
        results['scale_factor'] = (1.5, 1.5)
        results['pad_param'] = np.array([21, 21, 6, 6], np.float32)
        return results


PIPELINES = {
    'resize-pad': (
        [
            dict(type='Resize', scale=(192, 160), keep_ratio=True),
            dict(type='Pad', size_divisor=32),
        ],
        (),
    ),
    'resize-stretched-homography': (
        [dict(type='Resize', scale=(256, 96), keep_ratio=False)],
        ('homography_matrix',),
    ),
    'flip-homography': (
        [
            dict(type='Resize', scale=(192, 160), keep_ratio=True),
            dict(type='RandomFlip', prob=1.0),
            dict(type='Pad', size_divisor=32),
        ],
        ('homography_matrix',),
    ),
    'center-crop-pad': (
        [
            dict(
                type='RandomCenterCropPad',
                ratios=None,
                border=None,
                mean=[0, 0, 0],
                std=[1, 1, 1],
                to_rgb=True,
                test_mode=True,
                test_pad_mode=['logical_or', 31],
                test_pad_add_pix=1,
            )
        ],
        ('border',),
    ),
    'letter-resize': ([LetterResize()], ('pad_param',)),
    'nothing': ([dict(type='Pad', size_divisor=32)], ()),
}


def into_input(boxes, meta):
    """Boxes of the image in pixels of the network input, step by step."""
    if 'homography_matrix' in meta:
        corners = boxes.reshape(-1, 2, 2)
        ones = np.ones((*corners.shape[:2], 1))
        moved = np.concatenate([corners, ones], -1) @ meta['homography_matrix'].T
        low, high = moved[..., :2].min(1), moved[..., :2].max(1)
        return np.concatenate([low, high], 1)
    boxes = boxes * np.tile(meta.get('scale_factor', (1, 1)), 2)
    border = meta.get('border', meta.get('pad_param', (0, 0, 0, 0)))
    return boxes + np.array([border[2], border[0]] * 2)


@pytest.mark.parametrize('name', PIPELINES)
def test_boxes_come_back_through_any_pipeline(name):
    steps, keys = PIPELINES[name]
    image = np.zeros((100, 120, 3), np.float32)
    meta_keys = ('img_shape', 'ori_shape', *keys)
    if name != 'center-crop-pad' and name != 'nothing':
        meta_keys += ('scale_factor',)
    pack = dict(type='PackDetInputs', meta_keys=meta_keys)
    pipeline = Compose(
        [TRANSFORMS.build(s) if isinstance(s, dict) else s for s in [*steps, pack]]
    )
    packed = pipeline({'img': image, 'img_shape': (100, 120), 'ori_shape': (100, 120)})
    input_shape = tuple(packed['inputs'].shape[1:])
    padded = tuple(-(-side // 32) * 32 for side in input_shape)
    meta = {**packed['data_samples'].metainfo, 'batch_input_shape': padded}
    boxes = np.array([[10.0, 12, 50, 40], [70, 50, 110, 90]])
    head = make_head()
    inputs = torch.tensor(into_input(boxes, meta), dtype=torch.float32)
    maps = perfect_maps(
        head,
        [inputs],
        [torch.tensor([0, 1])],
        (padded[0] // 4, padded[1] // 4),
        padded,
    )
    found = head.predict_by_feat(*maps, [meta], rescale=True)[0]
    np.testing.assert_allclose(sorted(found.bboxes[:2].tolist()), boxes, atol=1e-3)
    kept = head.predict_by_feat(*maps, [meta], rescale=False)[0]
    border = meta.get('border', meta.get('pad_param', (0, 0, 0, 0)))
    shift = np.array([border[2], border[0]] * 2)
    np.testing.assert_allclose(
        sorted(kept.bboxes[:2].tolist()), sorted((inputs - shift).tolist()), atol=1e-3
    )


def test_a_batch_of_images_of_different_sizes():
    head = make_head()
    metas = [
        dict(META, scale_factor=(2.0, 2.0)),
        dict(META, scale_factor=(0.5, 1.0), img_shape=(96, 100)),
    ]
    boxes = [torch.tensor([[20.0, 20, 80, 60]]), torch.tensor([[8.0, 4, 90, 70]])]
    maps = perfect_maps(head, boxes, [torch.tensor([0])] * 2, (32, 32), (128, 128))
    found = head.predict_by_feat(*maps, metas)
    for one, box, meta in zip(found, boxes, metas, strict=True):
        expected = box / torch.tensor(meta['scale_factor']).repeat(2)
        torch.testing.assert_close(one.bboxes[:1], expected, rtol=0, atol=1e-3)


def test_clipping_is_a_choice():
    maps = [torch.full((1, 3, 32, 32), -9.0)], [torch.full((1, 2, 32, 32), 60.0)]
    maps = (*maps, [torch.zeros(1, 2, 32, 32)])
    meta = dict(META, ori_shape=(100, 120))
    free = make_head().predict_by_feat(*maps, [meta])[0].bboxes
    head = make_head(test_cfg=dict(clip_border=True))
    clipped = head.predict_by_feat(*maps, [meta])[0].bboxes
    assert free.min() < 0
    assert free[:, 2].max() > 120
    assert clipped.min() == 0
    assert clipped[:, 2].max() == 120
    assert clipped[:, 3].max() == 100


def test_without_metas_boxes_are_in_input_pixels():
    head = make_head()
    maps = random_maps(head)
    expected = head.predict_by_feat(*maps, [META], rescale=False)[0].bboxes
    assert torch.equal(head.predict_by_feat(*maps)[0].bboxes, expected)


def overlapping(head):
    """Two overlapping boxes of class 2 and one of class 0, by score."""
    boxes = torch.tensor([[20.0, 20, 80, 80], [28, 28, 88, 88], [20, 20, 76, 84]])
    shape = (1, head.num_classes, 32, 32)
    labels = torch.tensor([2, 2, 0])
    targets, _ = head.get_targets([boxes], [labels], shape, (128, 128))
    heat = torch.full(shape, -20.0)
    for (x1, y1, x2, y2), label, logit in zip(
        boxes.tolist(), labels.tolist(), (3.0, 1.0, 2.0), strict=True
    ):
        heat[0, label, int((y1 + y2) // 8), int((x1 + x2) // 8)] = logit
    return [heat], [targets['wh_target']], [targets['offset_target']]


@pytest.mark.parametrize('max_per_img', [-1, 0, 1, 100])
def test_nms_keeps_labels_beside_their_boxes(max_per_img):
    nms = dict(type='nms', iou_threshold=0.3)
    test_cfg = ConfigDict(topk=3, local_maximum_kernel=3, max_per_img=max_per_img)
    head = make_head(test_cfg=ConfigDict(**test_cfg, nms=nms))
    found = head.predict_by_feat(*overlapping(head), [META])[0]
    count = max_per_img if max_per_img > 0 else 2
    assert found.labels.tolist() == [2, 0][:count]
    expected = torch.tensor([3.0, 2.0]).sigmoid()[:count]
    torch.testing.assert_close(found.scores, expected)
    without = head.predict_by_feat(*overlapping(head), [META], with_nms=False)[0]
    assert without.labels.tolist() == [2, 0, 2]


def test_d12_stock_gives_wrong_labels():
    nms = dict(type='nms', iou_threshold=0.3)
    cfg = ConfigDict(topk=3, local_maximum_kernel=3, max_per_img=0, nms=nms)
    stock = CenterNetHead(8, 8, 3, test_cfg=cfg)
    boxes = torch.tensor(
        [[0.0, 0, 9, 9, 0.9], [1, 1, 9, 9, 0.8], [50, 50, 60, 60, 0.3]]
    )
    kept, labels = stock._bboxes_nms(boxes, torch.tensor([7, 7, 3]), cfg)
    assert len(kept) == 2
    assert len(labels) == 3


def test_score_threshold():
    head = make_head(test_cfg=dict(score_thr=0.8))
    found = head.predict_by_feat(*overlapping(head), [META])[0]
    assert found.labels.tolist() == [2, 0]


# --- what stock gets wrong ------------------------------------------------------------


def test_d1_several_stacks_stop_stock():
    stock, head = CenterNetHead(8, 8, 3), make_head(num_stacks=2)
    maps, gt = random_maps(head), [instances([[8, 8, 60, 60]])]
    with pytest.raises(AssertionError):
        stock.loss_by_feat(*maps, gt, [META])
    assert all(value.isfinite() for value in loss(head, maps, gt).values())


def test_d3_a_sure_peak_in_half_precision_breaks_stock():
    stock, head = CenterNetHead(8, 8, 3), make_head()
    gt = [instances([[8, 8, 60, 60]])]
    heat, wh, offset = ([one[0].half()] for one in random_maps(head))
    heat[0][0, 0, 8, 8] = 20.0
    stock_maps = [heat[0].sigmoid()], wh, offset
    assert stock.loss_by_feat(*stock_maps, gt, [META])['loss_center_heatmap'].isnan()
    assert loss(head, [heat, wh, offset], gt)['loss_center_heatmap'].isfinite()


def test_d5_stock_needs_a_border():
    stock = CenterNetHead(8, 8, 3, test_cfg=ConfigDict(topk=5, local_maximum_kernel=3))
    maps = random_maps(make_head())
    with pytest.raises(KeyError, match='border'):
        stock.predict_by_feat(*maps, [META])
    assert len(make_head().predict_by_feat(*maps, [META])[0]) == 100


def test_d9_overlap_is_an_argument():
    def mean_heat(**assigner):
        cfg = dict(assigner=dict(type='CenterNetTargetAssigner', **assigner))
        boxes, labels = [torch.tensor([[8.0, 8, 120, 120]])], [torch.tensor([0])]
        head = make_head(train_cfg=cfg)
        maps, _ = head.get_targets(boxes, labels, (1, 3, 32, 32), (128, 128))
        return maps['center_heatmap_target'].mean()

    wide = mean_heat(radius_rule='corrected', min_overlap=0.3)
    assert wide > mean_heat(radius_rule='corrected', min_overlap=0.9)


def test_a_centre_on_the_border_stops_stock_only():
    gt = instances([[96, 96, 160, 120]])
    with pytest.raises(IndexError):
        CenterNetHead(8, 8, 3).get_targets(
            [gt.bboxes], [gt.labels], (1, 3, 32, 32), (128, 128)
        )
    for rule in ('official', 'mmdet'):
        cfg = dict(assigner=dict(type='CenterNetTargetAssigner', radius_rule=rule))
        head = make_head(train_cfg=cfg)
        shapes = (1, 3, 32, 32), (128, 128)
        maps, _ = head.get_targets([gt.bboxes], [gt.labels], *shapes)
        assert maps['center_heatmap_target'].isfinite().all()


# --- initial weights ------------------------------------------------------------------


def test_init_cfg_works_here_and_not_on_stock():
    cfg = dict(type='Constant', layer='Conv2d', val=9.0, bias=9.0)
    head = CTDetHead(8, 8, 3, init_cfg=cfg)
    stock = CenterNetHead(8, 8, 3, init_cfg=cfg)
    head.init_weights()
    stock.init_weights()
    assert head.wh_head[0].weight.eq(9).all()
    assert not stock.wh_head[0].weight.eq(9).any()


def test_default_init_is_that_of_stock():
    head, stock = make_head(), CenterNetHead(8, 8, 3)
    stock.init_weights()
    assert torch.equal(head.heatmap_head[-1].bias, stock.heatmap_head[-1].bias)
    for branch in (head.wh_head, head.offset_head):
        for conv in (branch[0], branch[2]):
            assert conv.weight.std() < 0.002
            assert conv.bias.eq(0).all()


@pytest.mark.parametrize(
    ('rule', 'small', 'unbiased'),
    [
        ('resnet_dcn', (True, True), (True, True)),
        ('resnet', (False, True), (False, True)),
        ('dla', (False, False), (True, True)),
        ('hourglass', (False, False), (False, False)),
    ],
)
def test_official_inits(rule, small, unbiased):
    head = make_head(branch_init=rule)
    assert head.heatmap_head[-1].bias.eq(-2.19).all()
    assert head.heatmap_head[0].bias.ne(0).any()
    for branch in (head.wh_head, head.offset_head):
        convs = branch[0], branch[2]
        assert tuple(bool(conv.weight.std() < 0.002) for conv in convs) == small
        assert tuple(bool(conv.bias.eq(0).all()) for conv in convs) == unbiased


# --- errors that say what to do -------------------------------------------------------


@pytest.mark.parametrize(
    ('kwargs', 'advice'),
    [
        (dict(num_classes=0), 'num_classes is 0'),
        (dict(stride=-4), 'stride is -4'),
        (dict(branch_init='paper'), "'dla', 'hourglass', 'mmdet'"),
        (dict(num_stacks=2, feat_level=0), 'num_stacks=1'),
        (dict(test_cfg=dict(topk=0)), 'topk is 0'),
        (dict(test_cfg=dict(local_maximum_kernel=4)), 'has to be odd'),
    ],
)
def test_bad_arguments(kwargs, advice):
    with pytest.raises(ValueError, match=advice):
        make_head(**kwargs)


def test_a_pyramid_asks_for_a_level():
    levels = [torch.randn(1, 8, 32 >> i, 32 >> i) for i in range(3)]
    with pytest.raises(ValueError, match='feat_level=0'):
        make_head()(levels)
    outs = make_head(feat_level=1)(levels)
    assert outs[0][0].shape[-2:] == (16, 16)
    with pytest.raises(ValueError, match='gives 3 feature maps'):
        make_head(feat_level=3)(levels)


def test_wrong_channels_and_strides():
    with pytest.raises(ValueError, match='in_channels=16'):
        make_head()([torch.randn(1, 16, 32, 32)])
    head = make_head()
    for size in (16, 64):
        with pytest.raises(ValueError, match='stride'):
            loss(head, random_maps(head, size=size), [instances([])])
        with pytest.raises(ValueError, match='stride'):
            head.predict_by_feat(*random_maps(head, size=size), [META])


def test_an_anchor_assigner_is_replaced_and_said():
    assigner = dict(
        type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0
    )
    with pytest.warns(UserWarning, match='MaxIoUAssigner'):
        head = make_head(train_cfg=dict(assigner=assigner))
    assert type(head.assigner).__name__ == 'CenterNetTargetAssigner'


def test_misspelt_test_settings_are_said():
    with pytest.warns(UserWarning, match='topK'):
        make_head(test_cfg=dict(topK=10))
