import operator
import os
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS

has_safe_globals = pytest.mark.skipif(
    not HAS_SAFE_GLOBALS, reason='this torch has no list of safe types'
)
REFUSALS = 'not an allowed global|is blocked|Can only build'
if not HAS_SAFE_GLOBALS:
    REFUSALS = 'Weights only load failed'


class OneWeight(BaseModel):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode):
        return dict(loss=self.scale(torch.stack(inputs)).sum())


class Reduces:
    """Pickles as a function call, like a malicious file."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def trained_runner(work_dir, max_epochs, **kwargs):
    data = [dict(inputs=torch.ones(1))] * 2
    return Runner(
        OneWeight(),
        str(work_dir),
        experiment_name=f'{work_dir.name}_{max_epochs}',
        train_dataloader=dict(
            dataset=data, sampler=dict(type='DefaultSampler'), batch_size=2
        ),
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=dict(type='CosineAnnealingLR', T_max=2),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        **kwargs,
    )


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('trained')
    trained_runner(work_dir, 1).train()
    return work_dir / 'epoch_1.pth'


@pytest.fixture
def torch_defaults():
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.add_safe_globals(allowed)


def save(content, path):
    torch.save(content, path)
    return path


def test_loads_checkpoints_of_the_runner(checkpoint):
    content = torch.load(checkpoint, weights_only=HAS_SAFE_GLOBALS)
    log = content['message_hub']['log_scalars']
    losses = log['train/loss']
    assert isinstance(losses, HistoryBuffer)
    assert losses.data[0].dtype == np.float64
    assert losses.mean() == losses.current()


@has_safe_globals
def test_the_same_is_refused_without_this_package(checkpoint, torch_defaults):
    with pytest.raises(pickle.UnpicklingError, match='Weights only load failed'):
        torch.load(checkpoint, weights_only=True)


def test_resumes(checkpoint):
    runner = trained_runner(
        checkpoint.parent, 2, resume=True, load_from=str(checkpoint)
    )
    runner.train()
    assert runner.epoch == 2
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 2


@has_safe_globals
@pytest.mark.parametrize('code', ['f4', 'f8', 'i8', 'i4', 'u1', '?', 'f2'])
def test_reads_arrays_and_scalars_of_numbers(code, tmp_path):
    content = [np.arange(3).astype(code), np.dtype(code).type(1)]
    loaded = torch.load(save(content, tmp_path / 'numbers.pth'), weights_only=True)
    assert loaded[0].dtype == loaded[1].dtype == np.dtype(code)
    np.testing.assert_array_equal(loaded[0], content[0])
    assert loaded[1] == content[1]


@has_safe_globals
def test_reads_files_written_under_the_other_major_numpy(checkpoint, tmp_path):
    ours = np.ndarray(0).__reduce__()[0].__module__.encode()
    names = [b'numpy._core.multiarray', b'numpy.core.multiarray']
    names.remove(ours)
    legacy = tmp_path / 'legacy.pth'
    torch.save(np.arange(3.0), legacy, _use_new_zipfile_serialization=False)
    legacy.write_bytes(legacy.read_bytes().replace(ours, names[0]))
    np.testing.assert_array_equal(torch.load(legacy, weights_only=True), np.arange(3.0))


@pytest.mark.parametrize(
    'hostile',
    [
        Reduces(os.system, 'touch ran'),
        Reduces(eval, '1'),
        Reduces(partial, print),
        Reduces(operator.attrgetter, 'system'),
        Reduces(operator.methodcaller, 'mean'),
        np.array([Reduces(os.system, 'touch ran')], dtype=object),
        dict(message_hub=dict(log_scalars=Reduces(os.system, 'touch ran'))),
    ],
)
def test_refuses_what_runs_code(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(dict(state_dict=hostile), tmp_path / 'hostile.pth')
    with pytest.raises(pickle.UnpicklingError, match=REFUSALS):
        torch.load(path, weights_only=True)
    assert not (tmp_path / 'ran').exists()


@has_safe_globals
@pytest.mark.parametrize(
    'attribute',
    [
        Reduces(getattr, HistoryBuffer, '__init__'),
        Reduces(getattr, HistoryBuffer, '__subclasses__'),
        Reduces(getattr, HistoryBuffer, 'register_statistics'),
        Reduces(getattr, Reduces(getattr, HistoryBuffer, 'mean'), '__globals__'),
        Reduces(getattr, np.ndarray, 'tofile'),
        Reduces(getattr, torch.Tensor, 'mean'),
    ],
)
def test_getattr_returns_nothing_else(attribute, tmp_path):
    path = save(attribute, tmp_path / 'attribute.pth')
    with pytest.raises(pickle.UnpicklingError, match='which may run code'):
        torch.load(path, weights_only=True)


@has_safe_globals
def test_a_statistics_method_can_be_loaded_but_not_called(tmp_path):
    call = Reduces(HistoryBuffer.mean, HistoryBuffer([1.0], [1]))
    with pytest.raises(pickle.UnpicklingError, match='unrecognized function'):
        torch.load(save(call, tmp_path / 'call.pth'), weights_only=True)
