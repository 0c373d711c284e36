"""One word changed in mmdet's own CenterNet configs: nothing else changes."""

import copy

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from helpers.shared_data import shared_path
from helpers.stock import build_model, stock_config
from mmdet_centernet.models import CTDetHead, GaussianFocalLossWithLogits

CONFIGS = [
    'centernet/centernet_r18_8xb16-crop512-140e_coco.py',
    'centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
]


@pytest.fixture(scope='module', params=CONFIGS, ids=['r18', 'r18-dcnv2'])
def pair(request):
    """Stock's model with random weights, and ours with the same."""
    torch.manual_seed(0)
    cfg = stock_config(request.param)
    stock = build_model(cfg)
    for branch in (stock.bbox_head.heatmap_head, stock.bbox_head.wh_head):
        for parameter in branch.parameters():
            torch.nn.init.normal_(parameter, std=0.06)
    cfg.model.bbox_head.type = 'CTDetHead'
    cfg.model.train_cfg = dict(
        assigner=dict(type='CenterNetTargetAssigner', radius_rule='mmdet')
    )
    ours = build_model(cfg)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return cfg, stock.eval(), ours.eval()


def image_batch(cfg, paths):
    """Images through the test pipeline of the config."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    pipeline = [step for step in pipeline if step.type != 'LoadAnnotations']
    compose = Compose([TRANSFORMS.build(step) for step in pipeline])
    packed = [
        compose({'img_path': str(path), 'img_id': i, 'instances': []})
        for i, path in enumerate(paths)
    ]
    return {key: [one[key] for one in packed] for key in packed[0]}


@pytest.mark.parametrize('rescale', [True, False])
def test_predictions_on_real_images_equal_stock(pair, rescale):
    cfg, stock, ours = pair
    paths = sorted(shared_path('data/coco_open/val2017').glob('*.jpg'))[:3]
    with torch.no_grad():
        found = []
        for model in (stock, ours):
            data = model.data_preprocessor(image_batch(cfg, paths))
            found.append(model.predict(data['inputs'], data['data_samples'], rescale))
    for expected, got in zip(*found, strict=True):
        expected, got = expected.pred_instances, got.pred_instances
        assert len(got) == len(expected) == 100
        assert expected.scores.unique().numel() > 90
        torch.testing.assert_close(got.scores, expected.scores, rtol=0, atol=1e-6)
        # Which of two equal scores comes first depends on the processor's rounding.
        alike = (got.scores[:, None] - expected.scores).abs() <= 1e-6
        alike &= got.labels[:, None] == expected.labels
        alike &= torch.cdist(got.bboxes, expected.bboxes, p=torch.inf) <= 1e-4
        assert alike.any(dim=0).all()
        assert alike.any(dim=1).all()


def training_samples(seed, num_images=2, size=128):
    """Boxes inside the image, centered in cells of their own, some at the borders."""
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(num_images):
        cells = generator.choice((size // 4) ** 2, 12, replace=False)
        centers = np.stack([cells % (size // 4), cells // (size // 4)], 1) * 4
        centers = centers + generator.uniform(0.1, 3.9, centers.shape)
        half = generator.uniform(1, 40, centers.shape)
        half = np.minimum(half, np.minimum(centers, size - centers))
        boxes = np.concatenate([centers - half, centers + half], 1)
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(size, size),
                batch_input_shape=(size, size),
                img_path='photo.jpg',
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32),
            labels=torch.tensor(generator.integers(0, 80, len(boxes))),
        )
        samples.append(sample)
    return samples


@pytest.mark.parametrize('seed', range(3))
def test_losses_and_gradients_equal_stock(pair, seed):
    _, stock, ours = pair
    torch.manual_seed(seed)
    feat = torch.randn(2, 64, 32, 32)
    results = []
    for model in (stock, ours):
        head = copy.deepcopy(model.bbox_head)
        leaf = feat.clone().requires_grad_()
        losses = head.loss((leaf,), training_samples(seed))
        sum(losses.values()).backward()
        gradients = {name: p.grad for name, p in head.named_parameters()}
        results.append((losses, {**gradients, 'feat': leaf.grad}))
    (expected, expected_grads), (got, got_grads) = results
    assert got.keys() == expected.keys()
    for name, loss in expected.items():
        torch.testing.assert_close(got[name], loss, rtol=1e-5, atol=0)
    for name, gradient in expected_grads.items():
        error = (got_grads[name] - gradient).norm() / gradient.norm()
        assert error < 1e-5, name


def test_targets_equal_stock(pair):
    _, stock, ours = pair
    samples = training_samples(5, num_images=3)
    boxes = [sample.gt_instances.bboxes for sample in samples]
    labels = [sample.gt_instances.labels for sample in samples]
    shapes = (3, 80, 32, 32), (128, 128)
    expected, expected_factor = stock.bbox_head.get_targets(boxes, labels, *shapes)
    got, factor = ours.bbox_head.get_targets(boxes, labels, *shapes)
    assert got.keys() == expected.keys()
    assert int(factor) == int(expected_factor) == 36
    for name, maps in expected.items():
        torch.testing.assert_close(got[name], maps, rtol=0, atol=1e-6)


def test_stock_loss_in_the_config_becomes_ours():
    cfg = dict(type='GaussianFocalLoss', alpha=1.5, gamma=3.0, loss_weight=0.5)
    loss = CTDetHead(8, 8, 2, loss_center_heatmap=cfg).loss_center_heatmap
    assert type(loss) is GaussianFocalLossWithLogits
    logits, target = torch.randn(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
    expected = MODELS.build(cfg)(logits.sigmoid(), target)
    torch.testing.assert_close(loss(logits, target), expected)
