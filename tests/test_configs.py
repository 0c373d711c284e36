import math
import re

import pytest
import torch
import yaml
from mmdet.apis import inference_detector
from mmengine.runner import Runner
from stock import stock_config
from tiny import CONFIGS, REPO, config_paths, load_config, shrink

import mmdet_centernet  # noqa: F401

NAMES = [path.stem for path in config_paths()]


def models_in_metafiles():
    index = yaml.safe_load((REPO / 'model-index.yml').read_text())
    for metafile in index['Import']:
        yield from yaml.safe_load((REPO / metafile).read_text())['Models']


def test_every_config_has_a_metafile_entry_of_its_name():
    entries = {model['Name']: REPO / model['Config'] for model in models_in_metafiles()}
    assert entries == {path.stem: path for path in config_paths()}


def test_basenames_are_unique():
    # openmim looks a config up by its basename alone.
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


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_trains_validates_and_predicts(name, tmp_path):
    cfg = shrink(load_config(name), tmp_path)
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    weight = next(runner.model.bbox_head.heatmap_head.parameters())
    before = weight.clone()

    runner.train()

    assert not torch.equal(before, weight)
    scalars = runner.message_hub.log_scalars
    for loss in ('loss_center_heatmap', 'loss_wh', 'loss_offset'):
        assert math.isfinite(scalars[f'train/{loss}'].current())
    assert 0 <= scalars['val/coco/bbox_mAP'].current() <= 1

    images = sorted(str(path) for path in (tmp_path / 'images').iterdir())
    runner.model.cfg = cfg
    for result in inference_detector(runner.model, images):
        boxes = result.pred_instances.bboxes
        assert boxes.shape == (result.pred_instances.scores.numel(), 4)
        assert torch.isfinite(boxes).all()
