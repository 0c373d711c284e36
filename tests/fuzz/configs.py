"""Valid and invalid configs: valid ones train and predict, others are refused.

Values out of range are refused when the object is built, values that do not fit the
rest of the network with the first batch. Both messages name the setting.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any, NamedTuple

import torch
from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from fuzz import draws
from fuzz.outcome import REFUSED, RIGHT, refused
from fuzz.runtime import network

SIDE = 64
NO_COUNT = (0, -1, 1.5, '8', None, math.nan)
NO_LENGTH = (0, -1, math.nan, math.inf, '2', None)
NO_SHARE = (-0.1, 1.1, math.nan, '0.5', None)
NO_SIZE = ((0, 5), (5,), (5, -5), 'ab', 5, (math.nan, 5), (5, '5'))
RULES = ('official', 'mmdet', 'corrected')


class Setting(NamedTuple):
    """Invalid values of a setting.

    Attributes:
        registry: Of the type.
        type: To build.
        name: Of the setting.
        bad: Values that must be refused.
        rest: Other required settings.
    """

    registry: Any
    type: str
    name: str
    bad: tuple
    rest: dict[str, Any] = {}  # noqa: RUF012, an argument's default


HEAD = dict(in_channels=8, feat_channels=8, num_classes=2)
WARP, RANDOM_WARP = 'CenterAffine', 'RandomCenterAffine'
LOSS = 'GaussianFocalLossWithLogits'
ASSIGNER, JITTER = 'CenterNetTargetAssigner', 'CenterNetColorJitter'
SETTINGS = (
    *(Setting(MODELS, 'CTDetHead', name, NO_COUNT, HEAD) for name in HEAD),
    Setting(MODELS, 'CTDetHead', 'stride', NO_COUNT, HEAD),
    Setting(MODELS, 'CTDetHead', 'num_stacks', NO_COUNT, HEAD),
    Setting(MODELS, 'CTDetHead', 'wh_unit', NO_LENGTH, HEAD),
    Setting(MODELS, 'CTDetHead', 'branch_init', ('other', None, 3), HEAD),
    Setting(MODELS, 'CTDetHead', 'feat_level', (1.5, '0'), HEAD),
    Setting(TASK_UTILS, ASSIGNER, 'radius_rule', ('other', None, 3)),
    Setting(TASK_UTILS, ASSIGNER, 'min_overlap', (0, 1, -1, 2, math.nan, '0.7')),
    Setting(TASK_UTILS, ASSIGNER, 'max_objects', (0, -1, 1.5, '5')),
    Setting(TRANSFORMS, WARP, 'pad', (30, 0, -1, 1.5, '31')),
    Setting(TRANSFORMS, WARP, 'size', NO_SIZE),
    Setting(TRANSFORMS, WARP, 'scale', NO_LENGTH, dict(pad=31)),
    Setting(TRANSFORMS, RANDOM_WARP, 'size', NO_SIZE),
    Setting(
        TRANSFORMS,
        RANDOM_WARP,
        'ratios',
        ((), (0,), (1, -1), (math.nan,), None, 5, ('1',)),
        dict(size=(64, 64)),
    ),
    Setting(
        TRANSFORMS, RANDOM_WARP, 'border', (-1, math.nan, '5'), dict(size=(64, 64))
    ),
    Setting(TRANSFORMS, RANDOM_WARP, 'flip_prob', NO_SHARE, dict(size=(64, 64))),
    Setting(TRANSFORMS, JITTER, 'strength', (-1, math.nan, '1', None)),
    Setting(TRANSFORMS, JITTER, 'light_std', (-1, math.nan, '1', None)),
    Setting(MODELS, LOSS, 'reduction', ('other', None)),
    *(
        Setting(MODELS, LOSS, name, (-1, math.nan, math.inf, '2', None))
        for name in ('alpha', 'gamma', 'loss_weight', 'pos_weight', 'neg_weight')
    ),
)
TEST_CFG = dict(
    topk=NO_COUNT,
    local_maximum_kernel=(*NO_COUNT, 2),
    score_thr=('0.3', None, math.nan),
    max_per_img=('100', None, math.nan),
)


def config(draw: Random) -> str:
    """A network with valid settings has a loss and predicts boxes."""
    classes, stride = draw.randint(1, 5), draw.choice([4, 8])
    cfg = network()
    cfg['backbone']['strides'] = (stride // 4,)
    cfg['bbox_head'] = dict(
        type='CTDetHead',
        in_channels=8,
        feat_channels=draw.randint(1, 9),
        num_classes=classes,
        stride=stride,
        feat_level=draw.choice([None, 0, -1]),
        wh_unit=draw.choice([1, 0.5, 16]),
        branch_init=draw.choice(['mmdet', 'resnet', 'resnet_dcn', 'dla', 'hourglass']),
        loss_bbox=draw.choice([None, dict(type='GIoULoss')]),
    )
    # Of the detector, which replaces those of the head.
    cfg['train_cfg'] = dict(
        assigner=dict(
            type='CenterNetTargetAssigner',
            radius_rule=draw.choice(RULES),
            min_overlap=draw.choice([None, 0.3, 0.9]),
            max_objects=draw.choice([None, 1, 128]),
            clip_boxes=draw.choice([None, True, False]),
        )
    )
    cfg['test_cfg'] = dict(
        topk=draw.choice([1, 100, 10**6]),
        local_maximum_kernel=draw.choice([1, 3, 7]),
        score_thr=draw.choice([0, 0.1, 2]),
        max_per_img=draw.choice([-1, 3]),
        nms=draw.choice([None, dict(type='soft_nms')]),
    )
    torch.manual_seed(draw.getrandbits(32))
    detector = MODELS.build(cfg)
    losses, found = use(draw, detector, classes)
    assert losses.isfinite()
    assert found.bboxes.shape == (len(found.scores), 4)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert ((found.labels >= 0) & (found.labels < classes)).all()
    check_test_cfg(found, cfg['test_cfg'])
    return RIGHT


def check_test_cfg(found: InstanceData, settings: dict[str, Any]) -> None:
    """Checks that the test settings are in effect."""
    assert len(found) <= settings['topk']
    if settings['nms']:  # soft-NMS lowers scores
        most = settings['max_per_img']
        assert len(found) <= most or most < 0
    elif settings['score_thr']:
        assert (found.scores > settings['score_thr']).all()


def use(
    draw: Random, detector: nn.Module, classes: int
) -> tuple[torch.Tensor, InstanceData]:
    """Returns the sum of the losses of a batch, and its predictions."""
    meta = dict(
        img_shape=(SIDE, SIDE),
        ori_shape=(SIDE, SIDE),
        batch_input_shape=(SIDE, SIDE),
        img_path='image.jpg',
    )
    boxes = draws.boxes(draw, SIDE, SIDE)
    labels = draws.labels(draw, len(boxes), classes)
    sample = DetDataSample(
        metainfo=meta, gt_instances=InstanceData(bboxes=boxes, labels=labels)
    )
    images = torch.rand(1, 3, SIDE, SIDE)
    total = sum(detector.loss(images, [sample]).values())
    assert isinstance(total, torch.Tensor)
    total.backward()
    with torch.no_grad():
        return total, detector.eval().predict(images, [sample])[0].pred_instances


def refuse(draw: Random) -> str:
    """Refuses a setting, a test setting, a combination or a TTA model."""
    kinds = (refuse_setting, refuse_test_cfg, refuse_fit, refuse_tta)
    return draw.choices(kinds, [8, 3, 3, 1])[0](draw)


def refuse_setting(draw: Random) -> str:
    """A value out of range."""
    registry, kind, name, bad, rest = draw.choice(SETTINGS)
    value = draw.choice(bad)
    cfg = dict(type=kind, **rest) | {name: value}
    return refused_with(name, value, lambda: registry.build(cfg))


def refuse_test_cfg(draw: Random) -> str:
    """A value of test_cfg out of range."""
    name = draw.choice(list(TEST_CFG))
    value = draw.choice(TEST_CFG[name])
    cfg = dict(type='CTDetHead', **HEAD, test_cfg={name: value})
    return refused_with(name, value, lambda: MODELS.build(cfg))


def refused_with(name: str, value: Any, call: Any) -> str:
    """Checks that the message names the setting and its value."""
    try:
        built = call()
    except (ValueError, TypeError) as error:
        text = str(error)
        assert name in text, f'{name} is not in: {text}'
        assert str(value) in text, f'{name}={value!r} is not in: {text}'
        return REFUSED
    raise AssertionError(f'{name}={value!r} was accepted: {type(built).__name__}')


def refuse_fit(draw: Random) -> str:
    """Valid settings that do not fit the network or the data."""
    cfg, classes = network(), 2
    name, value, message = draw.choice(
        [
            ('in_channels', draw.choice([1, 16]), 'set bbox_head.in_channels=8'),
            ('stride', draw.choice([1, 2, 16]), 'Set bbox_head.stride'),
            ('num_stacks', 2, 'bbox_head.num_stacks=1'),
            ('feat_level', draw.choice([1, -2]), 'outputs 1 feature maps'),
            ('num_classes', 1, 'num_classes'),
        ]
    )
    cfg['bbox_head'][name] = value
    detector = MODELS.build(cfg)
    if name != 'num_classes':
        return refused(ValueError, message, lambda: use(draw, detector, classes))
    boxes = draws.inside(draw, SIDE / 2, SIDE / 2)
    sample = InstanceData(
        bboxes=torch.tensor([[*boxes[:2], SIDE, SIDE]]), labels=torch.tensor([1])
    )
    maps = detector(torch.rand(1, 3, SIDE, SIDE), mode='tensor')
    meta = dict(batch_input_shape=(SIDE, SIDE), img_path='image.jpg')
    head = detector.bbox_head
    return refused(
        ValueError, message, lambda: head.loss_by_feat(*maps, [sample], [meta])
    )


def refuse_tta(draw: Random) -> str:
    """Unknown settings of tta_cfg, or a batch without TestTimeAug."""
    cfg = dict(type='CTDetTTAModel', module=network())
    if draw.random() < 0.5:
        name = draw.choice(['iou_threshold', 'scales', 'flip'])
        cfg['tta_cfg'] = {name: 1}
        message = f'unknown keys {name}; allowed: '
        return refused(ValueError, message, lambda: MODELS.build(cfg))
    model = MODELS.build(cfg)
    batch = dict(inputs=[torch.rand(3, SIDE, SIDE)], data_samples=[DetDataSample()])
    return refused(ValueError, 'TestTimeAug', lambda: model.test_step(batch))
