"""Detectors to export: networks of shipped configs with random weights."""

from unittest.mock import patch

import onnxruntime
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.utils import digit_version
from torch import nn
from torch.nn import functional as F

from helpers import properties
from helpers.tiny import load_config
from mmdet_centernet.codecs import Detections
from mmdet_centernet.models import CTDetTTAModel

HAS_DEFORM_CONV = all(
    digit_version(library.__version__) >= digit_version(least)
    for library, least in ((onnxruntime, '1.25'), (torch, '2.1'))
)
CONFIGS = dict(
    r18='ctdet_r18_6xb19-official-140e_coco',
    r18_dcn='ctdet_r18-dcnv2_8xb16-crop512-140e_coco',
    official_r18_dcn='ctdet_r18-dcnv2_6xb19-official-140e_coco',
    voc_r18_dcn='ctdet_r18-dcnv2_1xb32-official384-70e_voc0712',
    dla34='ctdet_dla34-dcnv2_8xb16-official-140e_coco',
    hourglass='ctdet_hourglass104_4xb6-official-50e_coco',
    r18_fpn='ctdet_r18-fpn_1xb8-24e_bccd',
    r18_fast='ctdet_r18-fast_1xb8-8e_bccd',
    cspnext_fast='ctdet_cspnext-tiny-fast_1xb4-12e_bccd',
)


def small_config(name):
    """A shipped config; the hourglass is narrowed, the others are small already."""
    cfg = load_config(CONFIGS[name])
    if name == 'hourglass':
        cfg.model.backbone.update(stage_channels=(16,) * 6, feat_channel=16)
        cfg.model.bbox_head.update(in_channels=16, feat_channels=16)
    return cfg


def lively_detector(cfg):
    """Builds a detector with random weights that exercise all of its layers.

    With initial weights, offsets of deformable convolutions are zero, norms are the
    identity, and scores hardly differ.
    """
    init_default_scope('mmdet')
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        for layer in detector.modules():
            if hasattr(layer, 'conv_offset'):
                nn.init.normal_(layer.conv_offset.weight, std=0.02)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(0, 0.3)
                layer.momentum = 1.0  # statistics of the next batch
        images = _images(4, 256)
        detector.train()(images)
        for layer in detector.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_var.clamp_(
                    min=1.0
                )  # do not amplify channels that hardly vary
        _spread_scores(detector.eval(), images)
    return detector


def with_properties(cfg, **joints):
    """Narrows the network of a config and adds all kinds of properties."""
    cfg.model.backbone.base_channels = 8
    cfg.model.neck.in_channels = [8, 16, 32, 64]
    points = dict(type='JointPoints', keypoints='joints', **joints)
    cfg.model.bbox_head.update(
        properties=properties.CONFIGS, point_sets=dict(joint=points)
    )
    return cfg


def detector_of_properties(cfg):
    """Builds a detector of such a config; some of its keypoints snap to peaks."""
    detector = lively_detector(cfg)
    head = detector.bbox_head
    with torch.no_grad():
        for name, prop in head.properties.items():
            spread = 20 if prop.row_shape else 3
            getattr(head, f'{name}_head')[-1].weight.mul_(spread)
        head.wh_head[-1].bias.fill_(8)
        head.joint_heatmap_head[-1].weight.mul_(10)
        head.joint_heatmap_head[-1].bias.fill_(-3)
    return detector


def _images(number, side):
    """Noise at all scales, as in real images."""
    noises = [torch.randn(number, 3, side // n, side // n) for n in (1, 4, 16, 64)]
    return sum(F.interpolate(noise, (side, side), mode='bilinear') for noise in noises)


def _spread_scores(detector, images):
    """Scales the logits to a spread of 1 around -2, as in a trained network."""
    heatmaps, *_ = detector(images, mode='tensor')
    head = detector.bbox_head.heatmap_head
    last = (head if detector.bbox_head.num_stacks == 1 else head[-1])[-1]
    last.weight.mul_(1 / heatmaps[-1].std())
    last.bias.fill_(-2)


def in_mmdet(detector, images, flip=False):
    """Detections by mmdet's detector, data preprocessor and TTA model.

    Boxes are not clipped, since that is left to the runner.
    """
    inputs = list(torch.from_numpy(images).permute(0, 3, 1, 2))
    meta = dict(img_shape=images.shape[1:3], ori_shape=images.shape[1:3])
    samples = [DetDataSample(metainfo=meta) for _ in images]
    settings = detector.bbox_head.test_settings
    with torch.no_grad(), patch.dict(settings, clip_border=False):
        if flip:
            tta = CTDetTTAModel(detector)
            samples = tta.test_step(dict(inputs=[inputs], data_samples=[samples]))
        else:
            samples = detector.test_step(dict(inputs=inputs, data_samples=samples))
    found = [sample.pred_instances for sample in samples]
    return [(one.bboxes, one.scores, one.labels) for one in found]


def in_onnxruntime(path, images):
    """Boxes, scores and labels of each image, by an exported file."""
    session = onnxruntime.InferenceSession(path)
    outputs = session.run(list(Detections._fields), {'images': images})
    return zip(*outputs, strict=True)


def assert_same(ours, theirs, *, pixels=0.01, score=1e-4):
    """Detections of an image are equal, except where rounding errors decide.

    Both are boxes (N, 4), scores (N,), labels (N,), best first.
    """
    ours, theirs = ([torch.as_tensor(part) for part in one] for one in (ours, theirs))
    assert len(ours[1]) == len(theirs[1])
    for some, others in ((ours, theirs), (theirs, ours)):
        boxes, scores, labels = some
        apart = (boxes[:, None] - others[0]).abs().amax(-1) >= pixels
        apart |= (scores[:, None] - others[1]).abs() >= score
        apart |= labels[:, None] != others[2]
        # The last ones may be different detections of equal score.
        settled = scores > scores[-1] + score
        assert settled.sum() > 10
        # Of two neighboring cells with equal scores, either may be the peak, or both,
        # which displaces the last detection. The number depends on the processor.
        alone = apart.all(1) & settled
        assert alone.sum() <= 0.1 * len(scores), [part[alone] for part in some]


def assert_same_properties(ours, theirs, scores, expected_scores, by_key, tied=0.01):
    """Properties are equal in all ranks that rounding errors do not decide.

    Both are (K, *row_shape) by key; `tied` is the share of keypoints that may snap to
    another peak at equal distance.
    """
    assert len(scores) == len(expected_scores)
    scores = torch.as_tensor(expected_scores)
    edges = scores.new_tensor([2.0]), scores.new_tensor([-1.0])
    apart = torch.cat([edges[0], scores, edges[1]]).diff().abs() > 1e-4
    settled = (scores > 0) & apart[1:] & apart[:-1]
    assert settled.sum() > 10
    assert ours.keys() == theirs.keys() == by_key.keys()
    for key, prop in by_key.items():
        some, others = (torch.as_tensor(one[key])[settled] for one in (ours, theirs))
        assert some.shape == others.shape == (settled.sum(), *prop.row_shape)
        assert others.float().std() > 0.01  # something is compared
        errors = prop.error(some, others) / (
            1 + others.reshape(len(others), -1).abs().amax(1)
        )
        share = (errors > 1e-3).float().mean()
        assert share <= (tied if key == 'keypoints' else 0), (key, errors)
