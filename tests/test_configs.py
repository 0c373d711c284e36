import json
import math
import re

import pytest
import torch
import yaml
from mmdet.apis import inference_detector
from mmdet.registry import MODELS, PARAM_SCHEDULERS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmdet_centernet  # noqa: F401
from helpers.real_images import real_images
from helpers.stock import stock_config
from helpers.tiny import CONFIGS, REPO, config_paths, load_config, shrink

NAMES = [path.stem for path in config_paths()]
# Configs that are another one when image and batch are small and one epoch is run.
# They are compared with it instead of being run once more.
SAME_RUN = {
    'ctdet_dla34-dcnv2_8xb16-official-230e_coco': (
        'ctdet_dla34-dcnv2_8xb16-official-140e_coco'
    ),
    'ctdet_r18-dcnv2_1xb32-official512-70e_voc0712': (
        'ctdet_r18-dcnv2_1xb32-official384-70e_voc0712'
    ),
    'ctdet_r101-dcnv2_4xb8-official512-70e_voc0712': (
        'ctdet_r101-dcnv2_2xb16-official384-70e_voc0712'
    ),
    'ctdet_dla34-dcnv2_2xb16-official512-70e_voc0712': (
        'ctdet_dla34-dcnv2_1xb32-official384-70e_voc0712'
    ),
    'ctpose_dla34-dcnv2_8xb16-official-320e_coco': (
        'ctpose_dla34-dcnv2_8xb16-official-140e_coco'
    ),
    'ctpose_hourglass104_4xb6-official-150e_coco': (
        'ctpose_hourglass104_4xb6-official-50e_coco'
    ),
}
RUN = [name for name in NAMES if name not in SAME_RUN]
RUN_WITH_TTA = [name for name in RUN if 'tta_pipeline' in load_config(name)]

# Learning rate, epochs, and those after which the rate is divided by 10.
VOC = 1.25e-4, 70, 45, 60
PUBLISHED = {
    'ctdet_r18-dcnv2_6xb19-official-140e_coco': (5e-4, 140, 90, 120),
    'ctdet_r101-dcnv2_8xb12-official-140e_coco': (3.75e-4, 140, 90, 120),
    'ctdet_dla34-dcnv2_8xb16-official-140e_coco': (5e-4, 140, 90, 120),
    'ctdet_dla34-dcnv2_8xb16-official-230e_coco': (5e-4, 230, 180, 210),
    'ctdet_hourglass104_4xb6-official-50e_coco': (2.5e-4, 50, 40),
    'ctdet_r18-dcnv2_1xb32-official384-70e_voc0712': VOC,
    'ctdet_r18-dcnv2_1xb32-official512-70e_voc0712': VOC,
    'ctdet_r101-dcnv2_2xb16-official384-70e_voc0712': VOC,
    'ctdet_r101-dcnv2_4xb8-official512-70e_voc0712': VOC,
    'ctdet_dla34-dcnv2_1xb32-official384-70e_voc0712': VOC,
    'ctdet_dla34-dcnv2_2xb16-official512-70e_voc0712': VOC,
    'ctpose_dla34-dcnv2_8xb16-official-140e_coco': (5e-4, 140, 90, 120),
    'ctpose_dla34-dcnv2_8xb16-official-320e_coco': (5e-4, 320, 270, 300),
    'ctpose_hourglass104_4xb6-official-50e_coco': (2.5e-4, 50, 40),
    'ctpose_hourglass104_4xb6-official-150e_coco': (2.5e-4, 150, 130),
}


def models_in_metafiles():
    index = yaml.safe_load((REPO / 'model-index.yml').read_text())
    for metafile in index['Import']:
        yield from yaml.safe_load((REPO / metafile).read_text())['Models']


def test_every_config_has_a_metafile_entry_of_its_name():
    entries = {model['Name']: REPO / model['Config'] for model in models_in_metafiles()}
    assert entries == {path.stem: path for path in config_paths()}


def test_basenames_are_unique():
    # openmim finds a config by its basename.
    names = [path.name for path in CONFIGS.rglob('*.py')]
    assert len(names) == len(set(names))


def test_custom_imports_stand_in_one_base_only():
    # mmengine refuses to combine two bases that both set the key.
    files = [
        p.name for p in CONFIGS.rglob('*.py') if 'custom_imports =' in p.read_text()
    ]
    assert files == ['ctdet_plugin.py']


@pytest.mark.parametrize('name', NAMES)
def test_learning_rate_follows_the_batch(name):
    cfg = load_config(name)
    assert cfg.auto_scale_lr.enable
    gpus, images = map(int, re.search(r'_(\d+)xb(\d+)', name).groups())
    assert cfg.auto_scale_lr.base_batch_size == gpus * images
    assert cfg.train_dataloader.batch_size == images


@pytest.mark.parametrize(('name', 'recipe'), PUBLISHED.items())
def test_learning_rate_of_every_round_is_the_published_one(name, recipe):
    lr, num_rounds, *drops = recipe
    cfg = load_config(name)
    assert dict(cfg.optim_wrapper.optimizer) == dict(type='Adam', lr=lr)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    (scheduler,) = (
        PARAM_SCHEDULERS.build(dict(s, optimizer=optimizer))
        for s in cfg.param_scheduler
    )
    rates = []
    for _ in range(cfg.train_cfg.max_epochs):
        rates += [optimizer.param_groups[0]['lr']] * cfg.train_dataloader.dataset.times
        optimizer.step()
        scheduler.step()
    expected = [
        lr * 0.1 ** sum(number > drop for drop in drops)
        for number in range(1, num_rounds + 1)
    ]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(('depth', 'channels'), [(34, 512), (50, 2048), (152, 2048)])
def test_other_resnets_take_two_words(depth, channels):
    cfg = load_config('ctdet_r18-dcnv2_6xb19-official-140e_coco')
    cfg.merge_from_dict(
        {'model.backbone.depth': depth, 'model.neck.in_channels': channels}
    )
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, 32, 64))
    assert [tuple(stacks[0].shape) for stacks in maps] == [
        (1, num_maps, 8, 16) for num_maps in (80, 2, 2)
    ]


@pytest.mark.parametrize(
    ('name', 'official'),
    [
        (
            'ctdet_dla34-dcnv2_8xb16-crop512-140e_coco',
            'ctdet_dla34-dcnv2_8xb16-official-140e_coco',
        ),
        (
            'ctdet_hourglass104_8xb6-crop512-140e_coco',
            'ctdet_hourglass104_4xb6-official-50e_coco',
        ),
    ],
)
def test_weights_of_the_official_network_fit_mmdets_recipe(name, official):
    init_default_scope('mmdet')
    with torch.device('meta'):
        models = [MODELS.build(load_config(one).model) for one in (name, official)]
    shapes, official_shapes = (
        {key: value.shape for key, value in model.state_dict().items()}
        for model in models
    )
    assert shapes == official_shapes


@pytest.mark.parametrize('with_dcn', [False, True])
def test_coco_configs_differ_from_stock_in_the_head_alone(with_dcn):
    suffix = f'r18{"-dcnv2" * with_dcn}_8xb16-crop512-140e_coco'
    ours = load_config(f'ctdet_{suffix}').to_dict()
    stock = stock_config(f'centernet/centernet_{suffix}.py').to_dict()
    for cfg in (ours, stock):
        del cfg['model']['bbox_head']['type'], cfg['model']['train_cfg']
        del cfg['model']['bbox_head']['loss_center_heatmap']
        cfg['model']['backbone'].pop('init_cfg', None)
        cfg['auto_scale_lr'].pop('enable')
        del cfg['tta_model'], cfg['tta_pipeline']
    for key in ('custom_imports', 'custom_hooks'):
        del ours[key]
    assert without_scopes(ours) == stock


def without_scopes(value):
    # mmengine marks what a config inherits from another library.
    if isinstance(value, dict):
        return {k: without_scopes(v) for k, v in value.items() if k != '_scope_'}
    if isinstance(value, list):
        return [without_scopes(item) for item in value]
    return value


@pytest.mark.parametrize(('name', 'other'), SAME_RUN.items())
def test_runs_like_the_other_one_when_cut_down(name, other, tmp_path):
    run, other_run = (what_runs(one, tmp_path / one) for one in (name, other))
    assert run == other_run


def what_runs(name, folder):
    """The settings of a config for a short run on drawn images."""
    cfg = shrink(load_config(name), folder).to_dict()
    for key in ('image_size', 'train_pipeline', 'test_pipeline', 'filename'):
        cfg.pop(key, None)  # variables that the data loaders also contain
    for scheduler in cfg['param_scheduler']:
        scheduler.pop('milestones')  # beyond the first epoch
    return json.loads(json.dumps(cfg).replace(str(folder), ''))


@pytest.mark.slow
@pytest.mark.parametrize('name', RUN)
def test_trains_validates_and_predicts(name, tmp_path):
    cfg = shrink(load_config(name), tmp_path, real_images)
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    weight = next(runner.model.bbox_head.heatmap_head.parameters())
    before = weight.clone()
    idle = watch_gradients(runner.model)

    runner.train()

    assert not torch.equal(before, weight)
    # Distributed training stops at such a parameter, unless the config allows them.
    assert bool(idle) == cfg.get('find_unused_parameters', False), idle
    scalars = runner.message_hub.log_scalars
    for loss in ('loss_center_heatmap', 'loss_wh', 'loss_offset'):
        assert math.isfinite(scalars[f'train/{loss}'].current())
    (precision,) = (v.current() for k, v in scalars.items() if is_precision(k))
    assert 0 <= precision <= 1

    images = sorted(map(str, tmp_path.rglob('*.jpg')))
    runner.model.cfg = cfg
    for result in inference_detector(runner.model, images):
        boxes = result.pred_instances.bboxes
        assert boxes.shape == (result.pred_instances.scores.numel(), 4)
        assert torch.isfinite(boxes).all()


def watch_gradients(model):
    """The trained parameters that never got a gradient: a set that empties itself."""
    idle = {name for name, p in model.named_parameters() if p.requires_grad}
    for name in list(idle):
        parameter = model.get_parameter(name)
        parameter.register_hook(lambda _, name=name: idle.discard(name))
    return idle


@pytest.mark.slow
@pytest.mark.parametrize('name', RUN_WITH_TTA)
def test_runs_its_test_time_augmentation(name, tmp_path):
    cfg = shrink(load_config(name), tmp_path, real_images)
    # As mmdet's test tool puts it together.
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    metrics = Runner.from_cfg(cfg).test()
    (precision,) = (v for k, v in metrics.items() if is_precision(k))
    assert 0 <= precision <= 1


def is_precision(key):
    """Whether this is the metric that papers state for the dataset."""
    return key.endswith(('coco/bbox_mAP', 'pascal_voc/mAP'))
