"""The table of peers: configs, choice of the learning rate, arithmetic, training."""

import json
import os
import sys

import numpy as np
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config

from helpers.tiny import shrink
from helpers.tool_modules import load_tool

peers = load_tool('peers/__main__.py', folder='dev')
run_trial = load_tool('peers/run_trial.py', folder='dev')
peer_list, peer_table = sys.modules['peer_list'], sys.modules['peer_table']

OURS = 'ctdet_cspnext-tiny-fast_1xb4-12e_bccd'
THEIRS = {
    'atss': 'mmdet::atss/atss_r50_fpn_1x_coco.py',
    'rtmdet': 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    'yolox': 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
}
SHARED = (
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'val_evaluator',
    'test_evaluator',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'auto_scale_lr',
)
CHANGED = {
    'atss': {
        'backbone.depth',
        'backbone.frozen_stages',
        'backbone.init_cfg',
        'backbone.norm_cfg',
        'backbone.norm_eval',
        'neck.in_channels',
        'neck.out_channels',
        'bbox_head.feat_channels',
        'bbox_head.in_channels',
        'bbox_head.num_classes',
    },
    'rtmdet': {
        'backbone.init_cfg',
        'backbone.norm_cfg',
        'neck.norm_cfg',
        'bbox_head.norm_cfg',
        'bbox_head.num_classes',
    },
    'yolox': {'bbox_head.num_classes'},
}
DEFAULTS = {
    'backbone.num_stages',
    'backbone.out_indices',
    'backbone.style',
}
"""Settings of mmdet's ATSS that are defaults of its ResNet."""


def result(ap, ap50, ap75, classes, seconds, latency):
    metrics = {'bbox_mAP': ap, 'bbox_mAP_50': ap50, 'bbox_mAP_75': ap75}
    metrics |= {f'{name}_precision': value for name, value in classes.items()}
    return dict(
        metrics={f'coco/{name}': value for name, value in metrics.items()},
        cpu_seconds=seconds,
        params=2_700_000,
        macs=1_970_000_000,
        latency_ms=latency,
    )


def two_seeds():
    return peer_table.Row(
        'ours',
        {0.004: 0.5, 0.002: 0.25},
        0.004,
        [
            result(0.5, 0.8, 0.6, dict(RBC=0.4, WBC=0.6), 400.0, 50.0),
            result(0.4, 0.9, 0.5, dict(RBC=0.5, WBC=0.9), 501.0, 61.0),
        ],
    )


def trial_config(name):
    """The config that one training of a peer runs."""
    (peer,) = peer_list.choose_peers([name])
    folder = peer_list.ROOT / 'absent'
    return run_trial.make_config(peer.config, folder, peer.rates[0], 0, 12)


def cells_of(text):
    """Rows of a Markdown table, by the cells of its first line."""
    lines = [line.strip('| ').split(' | ') for line in text.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_table_holds_means_and_spreads():
    one_seed = two_seeds()
    one_seed = one_seed._replace(label='theirs', results=one_seed.results[:1])
    ours, theirs = cells_of(peer_table.table([two_seeds(), one_seed]))
    assert ours == {
        'detector': 'ours',
        'AP': '0.450 (0.400 - 0.500)',
        'AP50': '0.850 (0.800 - 0.900)',
        'AP75': '0.550 (0.500 - 0.600)',
        'RBC': '0.450',
        'WBC': '0.750',
        'train s (CPU)': '450',
        'M params': '2.7',
        'GMACs': '2.0',
        'latency ms': '56',
        'seeds': '2',
        'learning rate': '0.004',
        'AP on val.json by learning rate': '0.004: 0.500, 0.002: 0.250',
    }
    assert (theirs['AP'], theirs['WBC'], theirs['seeds']) == ('0.500', '0.600', '1')


def test_rows_without_results_are_left_out():
    empty = two_seeds()._replace(label='later', results=())
    assert peer_table.table([empty]) == ''
    assert len(cells_of(peer_table.table([empty, two_seeds()]))) == 1


def test_plot_shows_mean_seconds_and_the_spread_of_ap():
    (axes,) = peer_table.plot([two_seeds()]).axes
    (point,) = axes.containers
    line, _, (bar,) = point.lines
    np.testing.assert_allclose(line.get_xydata(), [[450.5, 0.45]])
    np.testing.assert_allclose(bar.get_segments()[0][:, 1], [0.4, 0.5])


class FakeRuns:
    """Gives AP from a table instead of training; test.json prefers the other rates."""

    def __init__(self, val, test):
        self.ap, self.calls = dict(val=val, test=test), []

    def __call__(self, trial, split):
        self.calls.append((trial.peer.name, trial.rate, trial.seed, split))
        assert trial.epochs == 12
        ap = self.ap[split][trial.peer.name, trial.rate]
        return result(ap, ap, ap, dict(RBC=ap), 1.0, 1.0)


def test_learning_rate_is_chosen_on_val_and_tested_once_per_seed():
    contestants = [
        peer_list.Peer('a', 'A', None, (0.1, 0.2, 0.3)),
        peer_list.Peer('b', 'B', None, (0.2, 0.1, 0.3)),
    ]
    val = {('a', 0.1): 0.3, ('a', 0.2): 0.4, ('b', 0.2): 0.6, ('b', 0.1): 0.5}
    test = {key: 1 - value for key, value in val.items()}
    runs = FakeRuns(val, test)
    rows = dict(peers.compare(contestants, [7, 8], 2, 12, runs))
    assert rows['a'].rate == rows['b'].rate == 0.2
    assert rows['a'].tried == {0.1: 0.3, 0.2: 0.4}
    assert [r['metrics'][peer_table.AP] for r in rows['a'].results] == [0.6] * 2
    assert runs.calls == [
        ('a', 0.1, 7, 'val'),
        ('b', 0.2, 7, 'val'),
        ('a', 0.2, 7, 'val'),
        ('b', 0.1, 7, 'val'),
        ('a', 0.2, 7, 'test'),
        ('b', 0.2, 7, 'test'),
        ('a', 0.2, 8, 'test'),
        ('b', 0.2, 8, 'test'),
    ]


def test_finished_results_are_read_instead_of_run(tmp_path, monkeypatch):
    commands = []

    def finish(command, log):
        commands.append(command)
        log.parent.mkdir(parents=True)
        (log.parent / 'val.json').write_text(json.dumps(finished))

    finished = result(0.5, 0.8, 0.6, {}, 400.0, 50.0)
    monkeypatch.setattr(peers, '_run', finish)
    trial = peer_list.Trial(peer_list.PEERS[0], 0.002, 1, 12)
    for _ in range(2):
        assert peers.Runs(tmp_path)(trial, 'val') == finished
    (command,) = commands
    assert command[3] == tmp_path / 'cspnext-fast/12e_rate0.002_seed1'
    options = ['--rate=0.002', '--seed=1', '--epochs=12', '--split=val']
    assert command[4:] == options


def test_a_failed_training_names_its_log(tmp_path):
    log = tmp_path / 'run' / 'log.txt'
    code = 'raise ValueError("no weights")'
    with pytest.raises(SystemExit, match=r'log\.txt; the same command continues'):
        peers._run([sys.executable, '-c', code], log)
    assert 'ValueError: no weights' in log.read_text()


def test_trainings_use_this_checkout_and_keep_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', 'of_the_user')
    log = tmp_path / 'log.txt'
    code = 'import os; print(os.environ["PYTHONPATH"], os.environ["OMP_NUM_THREADS"])'
    peers._run([sys.executable, '-c', code], log)
    path = os.pathsep.join([str(peer_list.ROOT), 'of_the_user'])
    assert log.read_text().split() == [path, '1']


def test_peers_are_chosen_by_name_in_their_own_order():
    assert [p.name for p in peer_list.choose_peers(['yolox', 'atss'])] == [
        'atss',
        'yolox',
    ]
    assert peer_list.choose_peers([]) == list(peer_list.PEERS)
    with pytest.raises(ValueError, match=r'no peer detr; there are .*yolox'):
        peer_list.choose_peers(['detr', 'atss'])


def test_all_peers_get_the_same_tuning():
    """Ours start with the learning rate of their config."""
    assert {tuple(sorted(peer.rates)) for peer in peer_list.PEERS} == {
        (5e-4, 1e-3, 2e-3)
    }
    for peer in peer_list.PEERS[:2]:
        assert Config.fromfile(peer.config).optim_wrapper.optimizer.lr == peer.rates[0]


@pytest.mark.parametrize('name', [peer.name for peer in peer_list.PEERS])
def test_peers_share_data_augmentations_and_schedule(name):
    recipe = peer_list.ROOT / 'configs/ctdet' / f'{OURS}.py'
    ours, cfg = run_trial.make_config(recipe, 'absent', 1, 0, 12), trial_config(name)
    cfg.optim_wrapper.optimizer.lr = 1
    assert cfg.custom_hooks == ours.custom_hooks
    assert dict(type='ChannelsLastHook') in cfg.custom_hooks
    for key in SHARED:
        assert cfg[key] == ours[key], key
    assert cfg.model.data_preprocessor == ours.model.data_preprocessor
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 4
    assert cfg.param_scheduler[1].T_max == cfg.train_cfg.max_epochs == 12
    steps = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert steps[2:5] == ['RandomResize', 'RandomCrop', 'RandomFlip']


def flat(cfg, prefix=''):
    """Settings of a model by their dotted names; whole where a norm is named."""
    for key, value in cfg.items():
        if isinstance(value, ConfigDict) and key not in ('norm_cfg', 'init_cfg'):
            yield from flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


@pytest.mark.parametrize('name', THEIRS)
def test_peers_are_as_mmdet_ships_them_but_for_size_and_norms(name):
    theirs = dict(flat(get_config(THEIRS[name]).model))
    cfg = dict(flat(trial_config(name).model))
    differing = {
        key
        for key in theirs.keys() | cfg.keys()
        if theirs.get(key, 'unset') != cfg.get(key, 'unset')
    }
    differing = {key for key in differing if not key.startswith('data_preproc')}
    assert differing - DEFAULTS == CHANGED[name]


@pytest.mark.parametrize('name', THEIRS)
def test_peers_start_from_scratch_and_build(name):
    model = trial_config(name).model
    assert 'Pretrained' not in str(model)
    head = MODELS.build(model).bbox_head
    assert head.num_classes == 3


def tiny_peer(name, folder):
    """A peer on a few drawn images, without annotations for testing."""
    (peer,) = peer_list.choose_peers([name])
    cfg = shrink(Config.fromfile(peer.config), folder)
    absent = str(folder / 'absent.json')
    cfg.test_dataloader.dataset.ann_file = absent
    cfg.test_evaluator.ann_file = absent
    config = folder / f'{name}.py'
    cfg.dump(config)
    return peer._replace(config=config)


@pytest.mark.slow
@pytest.mark.parametrize('name', [peer.name for peer in peer_list.PEERS])
def test_a_peer_trains_without_reading_the_test_split(name, tmp_path):
    trial = peer_list.Trial(tiny_peer(name, tmp_path), 0.002, 0, 1)
    runs = peers.Runs(tmp_path / 'runs')
    results = runs(trial, 'val')
    assert results['cpu_seconds'] > 0
    assert results['latency_ms'] > 0
    assert {'coco/RBC_precision', peer_table.AP} <= results['metrics'].keys()
    (folder,) = (tmp_path / 'runs' / name).iterdir()
    assert (folder / 'epoch_1.pth').exists()
    with pytest.raises(SystemExit):
        runs(trial, 'test')
    assert 'absent.json' in (folder / 'log.txt').read_text()


@pytest.mark.slow
def test_an_interrupted_training_continues_and_keeps_its_seconds(tmp_path):
    peer = tiny_peer('yolox', tmp_path)
    runs = peers.Runs(tmp_path / 'runs')
    first = runs(peer_list.Trial(peer, 0.002, 0, 1), 'val')
    longer = peer_list.Trial(peer, 0.002, 0, 2)
    (tmp_path / 'runs' / peer.name / '1e_rate0.002_seed0').rename(
        tmp_path / 'runs' / longer.folder
    )
    folder = tmp_path / 'runs' / longer.folder
    (folder / 'val.json').unlink()
    pointer = folder / 'last_checkpoint'
    pointer.write_text(str(folder / 'epoch_1.pth'))
    second = runs(longer, 'val')
    assert second['cpu_seconds'] > first['cpu_seconds']
    log = (folder / 'log.txt').read_text()
    assert 'Epoch(train) [2][1/' in log
    assert log.count('Epoch(train) [1][1/') == 1


def test_config_of_a_trial_takes_the_rate_the_seed_and_the_length():
    (peer,) = peer_list.choose_peers(['r18-fast'])
    cfg = run_trial.make_config(peer.config, 'absent', rate=0.003, seed=5, epochs=7)
    assert cfg.optim_wrapper.optimizer.lr == 0.003
    assert cfg.randomness.seed == 5
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[1].T_max == 7
    assert cfg.resume
    assert cfg.train_cfg.val_begin > cfg.train_cfg.max_epochs
    assert 'save_best' not in cfg.default_hooks.checkpoint
