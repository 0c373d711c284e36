"""Killed in the middle of an epoch and resumed: as if nothing had happened."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

import make_digits
from helpers.scripts import environment, run_python
from helpers.tiny import REPO
from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS

pytestmark = pytest.mark.slow

TRAIN = REPO / 'tools/train.py'
QUICK_START = REPO / 'configs/quickstart/ctdet_r18-half-fpn_1xb16-4e_digits.py'


@pytest.fixture
def config(tmp_path):
    """Two epochs of four steps of the quick start."""
    make_digits.write_dataset(tmp_path / 'data/digits', dict(train=16, val=2), seed=0)
    cfg = Config.fromfile(QUICK_START)
    cfg.train_dataloader.batch_size = 4
    cfg.train_cfg.max_epochs = 2
    cfg.default_hooks.logger.interval = 1
    path = tmp_path / 'config.py'
    cfg.dump(path)
    return path


def weights(folder):
    return torch.load(folder / 'epoch_2.pth', weights_only=HAS_SAFE_GLOBALS)[
        'state_dict'
    ]


def train_until(line, command, cwd):
    """Runs a command until it has printed something, and kills it there."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert any(line in printed for printed in process.stdout)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # workers as well
        process.communicate()


def test_weights_are_those_of_an_uninterrupted_run(config, tmp_path):
    whole, cut = (('--work-dir', tmp_path / name) for name in ('whole', 'cut'))
    run_python(TRAIN, config, *whole, cwd=tmp_path)

    train_until('Epoch(train) [2][2/4]', (TRAIN, config, *cut), tmp_path)
    assert not (tmp_path / 'cut/epoch_2.pth').exists()
    printed = run_python(TRAIN, config, *cut, '--resume', cwd=tmp_path)
    assert 'resumed epoch: 1, iter: 4' in printed

    expected, found = weights(tmp_path / 'whole'), weights(tmp_path / 'cut')
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        assert torch.equal(found[name], weight), name
