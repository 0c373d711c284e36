"""Checkpoints and visualizations name labels in mmdet's order."""

import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.tiny import tiny_config
from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS
from mmdet_centernet.export import trained_names
from mmdet_centernet.hooks.label_names_hook import put_in_order

COUNTED = ('square', 'disc')
"""Order of the categories in the file of `tiny_config`."""


def test_classes_and_palette_are_reordered_together():
    meta = dict(classes=('a', 'b', 'c'), palette=[1, 2, 3], other=0)
    assert put_in_order(meta, ('c', 'a', 'b'))
    assert meta == dict(classes=('c', 'a', 'b'), palette=[3, 1, 2], other=0)
    assert not put_in_order(meta, ('c', 'a', 'b'))


@pytest.mark.parametrize(
    'meta',
    [{}, dict(classes='ab'), dict(classes=('a',)), dict(classes=('a', 'b', 'b'))],
)
def test_other_classes_are_unchanged(meta):
    before = dict(meta)
    assert not put_in_order(meta, ('b', 'a'))
    assert meta == before


def make_config(folder, *, named=True):
    """Two classes, in another order in metainfo than in the file."""
    folder.mkdir()
    cfg = Config.fromfile(tiny_config(folder))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo.classes = COUNTED[::-1]
    if not named:
        del cfg.default_hooks['label_names']
    cfg.test_evaluator.classwise = True
    cfg.visualizer.name = f'visualizer of {folder}'  # names are unique in a process
    cfg.dump(folder / 'config.py')
    return cfg


def classes_in(checkpoint):
    loaded = torch.load(checkpoint, weights_only=HAS_SAFE_GLOBALS)
    return loaded['meta']['dataset_meta']['classes']


@pytest.mark.slow
def test_training_with_and_without_the_hook(tmp_path):
    """Only names differ; older checkpoints are exported with the same names."""
    scores = {}
    for name, expected in (('with', COUNTED), ('without', COUNTED[::-1])):
        cfg = make_config(tmp_path / name, named=name == 'with')
        runner = Runner.from_cfg(cfg)
        runner.train()
        assert runner.visualizer.dataset_meta['classes'] == expected

        checkpoint = tmp_path / name / 'work_dir/epoch_1.pth'
        assert classes_in(checkpoint) == expected
        assert trained_names(cfg, classes_in(checkpoint)).names == COUNTED
        inferencer = DetInferencer(
            str(tmp_path / name / 'config.py'), str(checkpoint), device='cpu'
        )
        assert inferencer.visualizer.dataset_meta['classes'] == expected
        scores[name] = scores_of(runner)
        assert runner.visualizer.dataset_meta['classes'] == expected  # of the test
    assert scores['with'] == scores['without']


def scores_of(runner):
    """Metrics of a test, overall and per class."""
    metrics = runner.test()
    assert {f'coco/{name}_precision' for name in COUNTED} <= metrics.keys()
    return metrics


@pytest.mark.slow
def test_resuming_does_not_warn_of_other_classes(tmp_path):
    cfg = make_config(tmp_path / 'run')
    Runner.from_cfg(cfg).train()
    cfg.update(resume=True, experiment_name='resumed')
    cfg.train_cfg.max_epochs = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    log = (tmp_path / 'run/work_dir' / runner.timestamp).with_suffix('')
    (text,) = (path.read_text() for path in log.glob('*.log'))
    assert 'resumed epoch: 1' in text
    assert 'dataset metainfo from the resumed checkpoint' not in text
    assert classes_in(tmp_path / 'run/work_dir/epoch_2.pth') == COUNTED


def test_unreadable_label_order_keeps_names_and_warns(tmp_path):
    cfg = make_config(tmp_path / 'run')
    runner = Runner.from_cfg(cfg)
    runner._test_loop = runner.build_test_loop(runner._test_loop)
    (tmp_path / 'run/annotations.json').unlink()
    runner.call_hook('before_run')
    assert runner.visualizer.dataset_meta['classes'] == COUNTED[::-1]
    (text,) = (path.read_text() for path in (tmp_path / 'run').rglob('*.log'))
    assert 'cannot read the label order of the test data' in text
    assert 'annotations.json' in text
