"""Two processes, mmengine's launcher, our shims: one image a process and step."""

import json
import os
import pickle

import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

import mmdet_centernet  # noqa: F401
from helpers.scripts import run_python
from helpers.tiny import REPO, tiny_config

pytestmark = pytest.mark.slow

LEARNING_RATE = 0.1


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """Two images, of two objects and of one; plain SGD; nothing random."""
    folder = tmp_path_factory.mktemp('distributed')
    path = tiny_config(folder)
    annotations = json.loads((folder / 'annotations.json').read_text())
    del annotations['images'][2:], annotations['annotations'][3:]
    (folder / 'annotations.json').write_text(json.dumps(annotations))

    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset.pipeline = [
        t
        for t in cfg.train_dataloader.dataset.pipeline
        if not t['type'].startswith('Random')
    ]
    cfg.train_dataloader.sampler.shuffle = False
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.batch_size = 1
    cfg.auto_scale_lr.enable = False
    cfg.param_scheduler = []
    cfg.optim_wrapper = dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=LEARNING_RATE)
    )
    cfg.load_from = str(folder / 'initial.pth')
    # As mmengine's Runner does without it, save for the GPU of each process.
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=False,
    )
    cfg.dump(path)
    torch.save(build_model(cfg).state_dict(), cfg.load_from)
    return path


@pytest.fixture(scope='module')
def trained(config):
    return launch('train.py', config)


def launch(script, *arguments, **kwargs):
    torchrun = ('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', 2)
    command = (REPO / 'tests/helpers/gloo.py', REPO / 'tools' / script, *arguments)
    return run_python(
        *torchrun,
        *command,
        '--launcher',
        'pytorch',
        cwd=arguments[0].parent,
        CUDA_VISIBLE_DEVICES='-1',
        **kwargs,
    )


def build_model(cfg):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def gradients(cfg, images):
    """Of the loss of one batch of training images, for the initial weights."""
    model = build_model(cfg).train()
    model.load_state_dict(torch.load(cfg.load_from))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in images])
    loss, _ = model.parse_losses(
        model(**model.data_preprocessor(batch, True), mode='loss')
    )
    loss.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_trains_in_one_step_for_both_and_validates(trained):
    assert 'Epoch(train) [1][1/1]' in trained
    assert trained.count('coco/bbox_mAP: ') == 1


def test_each_process_normalizes_its_own_loss(config, trained):
    cfg = Config.fromfile(config)
    initial = torch.load(cfg.load_from)
    final = torch.load(config.parent / 'work_dir/epoch_1.pth')['state_dict']
    first, second = (gradients(cfg, [i]) for i in range(2))
    for name, gradient in first.items():
        mean = (gradient + second[name]) / 2
        torch.testing.assert_close(
            final[name], initial[name] - LEARNING_RATE * mean, atol=1e-6, rtol=1e-4
        )


def test_finds_what_one_process_finds(config, trained):
    checkpoint = config.parent / 'work_dir/epoch_1.pth'
    both = launch('test.py', config, checkpoint, '--out', 'two.pkl')
    assert both.count('coco/bbox_mAP: ') == 1
    command = (REPO / 'tools/test.py', config, checkpoint, '--out', 'one.pkl')
    run_python(*command, cwd=config.parent)
    one, two = (
        pickle.loads((config.parent / f'{n}.pkl').read_bytes())  # noqa: S301
        for n in ('one', 'two')
    )
    assert [r['img_id'] for r in one] == [r['img_id'] for r in two] == [0, 1]
    for alone, shared in zip(one, two, strict=True):
        for field in ('bboxes', 'scores', 'labels'):
            torch.testing.assert_close(
                alone['pred_instances'][field], shared['pred_instances'][field]
            )


def test_a_process_that_dies_ends_the_run(config, tmp_path):
    cfg = Config.fromfile(config)
    cfg.custom_imports.imports.append('helpers.dying')
    cfg.custom_hooks = [dict(type='DyingHook')]
    cfg.work_dir = str(tmp_path / 'work_dir')
    path = config.parent / 'dying.py'
    cfg.dump(path)
    python_path = f'{REPO}{os.pathsep}{REPO / "tests"}'
    printed = launch('train.py', path, check=False, PYTHONPATH=python_path)
    assert 'Signal 9 (SIGKILL) received by PID' in printed
    assert not (tmp_path / 'work_dir/epoch_1.pth').exists()
