import dataclasses
import inspect

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS, VISUALIZERS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers.stock import CONFIGS
from mmdet_centernet.codecs.properties import build_properties
from mmdet_centernet.new_config.backbones import BACKBONES
from mmdet_centernet.new_config.config_text import Files, config_text
from mmdet_centernet.new_config.settings import Settings
from mmdet_centernet.new_config.skeleton import COCO_NAMES, Skeleton

SETTINGS = Settings(
    classes=('cell', "it's"),
    image_scale=(640, 480),
    crop_size=(640, 480),
    batch_size=4,
    workers=2,
    backbone=BACKBONES['cspnext-tiny'],
    pretrained=False,
    epochs=40,
    iterations=25,
    wh_unit=8.0,
    topk=200,
)
FILES = dict(train=Files('train.json', 'images/'), val=Files('val.json', ''))


def load(tmp_path, root='/data/', files=FILES, **changes):
    path = tmp_path / 'written.py'
    settings = dataclasses.replace(SETTINGS, **changes)
    path.write_text(config_text(root, files, settings), encoding='utf-8')
    return Config.fromfile(path)


def test_settings_are_where_mmdet_reads_them(tmp_path):
    cfg = load(tmp_path)
    assert cfg.model.bbox_head.num_classes == 2
    assert cfg.model.bbox_head.wh_unit == 8
    assert cfg.model.test_cfg.topk == cfg.model.test_cfg.max_per_img == 200
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[1].T_max == 40
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == 5
    assert cfg.default_hooks.checkpoint.save_best == 'coco/bbox_mAP'
    assert cfg.default_hooks.checkpoint.type == 'CheckpointHook'
    assert cfg.param_scheduler[0].end == 50
    assert cfg.auto_scale_lr == dict(enable=True, base_batch_size=4)
    assert cfg.train_pipeline[2].scale == cfg.test_pipeline[1].scale == (640, 480)
    assert cfg.train_pipeline[3].crop_size == (640, 480)
    assert cfg.custom_imports.imports == ['mmdet_centernet']


CORNERS = Skeleton(('left', 'right', 'tip'))


def test_keypoints_are_learned_loaded_and_measured(tmp_path):
    cfg = load(tmp_path, skeleton=CORNERS, files={**FILES, 'test': Files('t.json', '')})
    (prop,) = build_properties(cfg.properties).values()
    assert prop.flipped_order == [1, 0, 2]
    assert prop.unit == cfg.model.bbox_head.wh_unit == 8
    head = MODELS.build(cfg.model).bbox_head
    assert head.map_names[3:] == ['keypoints', 'joint_heatmap', 'joint_offset']
    for name in ('train', 'val', 'test'):
        dataset = cfg[f'{name}_dataloader'].dataset
        assert dataset.type == 'CocoPropertyDataset'
        assert dataset.properties == cfg.properties
        steps = [step.type for step in dataset.pipeline]
        assert steps.index('LoadProperties') == steps.index('LoadAnnotations') + 1
        assert steps[-1] == 'PackPropertyInputs'
    for name, file in (('val', 'val.json'), ('test', 't.json')):
        boxes, points = cfg[f'{name}_evaluator']
        assert (boxes.type, points.type) == ('CocoMetric', 'CocoKeypointMetric')
        assert boxes.ann_file == points.ann_file == f'/data/{file}'
        assert points.sigmas == [0.05] * 3
    assert cfg.default_hooks.checkpoint.save_best == 'coco/keypoints_mAP'
    drawer = VISUALIZERS.build(cfg.visualizer)
    assert drawer.properties.keys() == {'keypoints'}
    assert cfg.tta_model.flip


def test_images_are_flipped_where_names_say_what_that_means(tmp_path):
    def flips(*names):
        cfg = load(tmp_path, skeleton=Skeleton(names))
        (step,) = (s for s in cfg.train_pipeline if s.type == 'RandomFlip')
        return step.prob, cfg.tta_model.flip

    assert flips('left_eye', 'right_eye') == (0.5, True)
    assert flips('tip', 'handle') == (0.5, True)
    assert flips('corner1', 'corner2') == (0.0, False)
    assert flips('left_eye', 'nose') == (0.0, False)
    text = (tmp_path / 'written.py').read_text()
    assert '# left_eye name a side, but the other side has no keypoint.' in text


def test_coco_joints_have_sigmas_already(tmp_path):
    cfg = load(tmp_path, skeleton=Skeleton(COCO_NAMES))
    assert 'sigmas' not in cfg.val_evaluator[1]
    assert cfg.properties.keypoints.num_points == 17
    pairs = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
    assert cfg.properties.keypoints.flip_pairs == pairs


def test_each_split_has_its_files(tmp_path):
    cfg = load(tmp_path)
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        assert loader.batch_size == 4
        assert loader.dataset.data_root == '/data/'
        assert loader.dataset.metainfo.classes == ('cell', "it's")
    assert cfg.train_dataloader.dataset.ann_file == 'train.json'
    assert cfg.train_dataloader.dataset.data_prefix.img == 'images/'
    assert cfg.train_dataloader.sampler.shuffle
    assert not cfg.val_dataloader.sampler.shuffle
    assert cfg.val_dataloader.dataset.test_mode
    assert cfg.test_dataloader == cfg.val_dataloader
    assert cfg.test_evaluator.ann_file == '/data/val.json'


def test_a_test_set_is_tested_on(tmp_path):
    cfg = load(tmp_path, files={**FILES, 'test': Files('t/test.json', 't/')})
    assert cfg.test_dataloader.dataset.ann_file == 't/test.json'
    assert cfg.test_dataloader.dataset.data_prefix.img == 't/'
    assert cfg.test_dataloader.dataset.test_mode
    assert cfg.test_evaluator.ann_file == '/data/t/test.json'
    assert cfg.val_evaluator.ann_file == '/data/val.json'


@pytest.mark.parametrize('name', ['cspnext-tiny', 'resnet34', 'resnet50'])
def test_backbone_and_neck_fit(tmp_path, name):
    model = MODELS.build(load(tmp_path, backbone=BACKBONES[name]).model)
    maps = model.backbone(torch.zeros(1, 3, 64, 64))
    assert [64 // feature.shape[-1] for feature in maps] == [4, 8, 16, 32]
    channels = [conv.conv.in_channels for conv in model.neck.lateral_convs]
    assert channels == [feature.shape[1] for feature in maps]


def test_resnet_weights_are_loaded_where_that_is_asked_for(tmp_path):
    assert 'init_cfg' not in load(tmp_path).model.backbone
    resnet = BACKBONES['resnet50']
    init = load(tmp_path, pretrained=True, backbone=resnet).model.backbone.init_cfg
    assert init == dict(type='Pretrained', checkpoint='torchvision://resnet50')


def test_cspnext_is_rtmdets_with_its_weights_and_channel_order(tmp_path):
    model = load(tmp_path, pretrained=True).model
    stock = Config.fromfile(CONFIGS / 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    ours, theirs = model.backbone, stock.model.backbone
    for key in ('init_cfg', 'deepen_factor', 'widen_factor', 'act_cfg'):
        assert ours[key] == theirs[key]
    defaults = inspect.signature(MODELS.get('CSPNeXt')).parameters
    for key in ('arch', 'expand_ratio', 'channel_attention'):
        assert defaults[key].default == theirs[key]
    for key in ('mean', 'std', 'bgr_to_rgb'):
        assert model.data_preprocessor[key] == stock.model.data_preprocessor[key]


def test_names_and_paths_of_any_letters(tmp_path):
    classes = tuple(f'{number}: "жук" \\ \'s' for number in range(30))
    root = '/data/it\'s "mine"\\ $x/новая\n/'
    cfg = load(tmp_path, root=root, classes=classes)
    assert cfg.classes == classes
    assert cfg.data_root == root
    assert load(tmp_path, classes=('one',)).classes == ('one',)


def test_test_time_augmentation_has_three_scales_and_flip(tmp_path):
    cfg = load(tmp_path)
    init_default_scope('mmdet')
    cv2.imwrite(str(tmp_path / 'image.png'), np.zeros((240, 320, 3), np.uint8))
    data = dict(img_path=str(tmp_path / 'image.png'), img_id=0, instances=[])
    views = Compose(cfg.tta_pipeline)(data)
    assert [tuple(view.shape[1:]) for view in views['inputs']] == [
        (360, 480),
        (480, 640),
        (600, 800),
    ]
    assert MODELS.build(dict(cfg.tta_model, module=cfg.model)).flip


@pytest.mark.parametrize(
    ('skeleton', 'most'), [(None, 137), (Skeleton(COCO_NAMES), 165)]
)
def test_it_is_short(tmp_path, skeleton, most):
    load(tmp_path, skeleton=skeleton)
    lines = (tmp_path / 'written.py').read_text().splitlines()
    assert len(lines) <= most
    assert max(map(len, lines)) <= 88


def test_names_of_keypoints_of_any_letters(tmp_path):
    names = tuple(f'{number}: "жук" \\ $x ${{y}}\n \'s' for number in range(30))
    cfg = load(tmp_path, skeleton=Skeleton(names))
    assert cfg.properties.keypoints.num_points == 30
    lines = (tmp_path / 'written.py').read_text().splitlines()
    assert max(map(len, lines)) <= 88
