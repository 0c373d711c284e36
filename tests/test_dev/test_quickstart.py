import json
import subprocess

import pytest

import quickstart
from helpers.tiny import REPO


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The scripts that were called; each writes the files of the real one."""
    calls = []
    monkeypatch.chdir(tmp_path)
    quickstart.DATA.mkdir(parents=True)
    (quickstart.DATA / 'dataset.json').write_text('{}')

    def run(tool, *arguments):
        calls.append(tool)
        folder = arguments[-1] / '20200101_000000'
        folder.mkdir(parents=True)
        (folder / f'{folder.name}.log').touch()
        metrics = dict.fromkeys(quickstart.EXPECTED, 1.0)
        (folder / f'{folder.name}.json').write_text(json.dumps(metrics))
        (arguments[-1] / 'last_checkpoint').write_text('/elsewhere/epoch_8.pth')

    monkeypatch.setattr(quickstart, '_run', run)
    return calls


def test_trains_once_while_nothing_changes(runs):
    for _ in range(2):
        checkpoint = quickstart.train()
        assert checkpoint == quickstart.WORK_DIR / 'epoch_8.pth'
    assert runs == ['tools/train.py']


@pytest.mark.parametrize('path', ['data/digits/dataset.json', 'mmdet_centernet/a.py'])
def test_trains_again_when_something_changes(runs, path, tmp_path):
    quickstart.train()
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text('changed')
    quickstart.train()
    assert runs == ['tools/train.py'] * 2


def test_an_interrupted_training_does_not_count(runs, monkeypatch):
    def fail(*command):
        raise subprocess.CalledProcessError(1, command)

    with monkeypatch.context() as patch:
        patch.setattr(quickstart, '_run', fail)
        with pytest.raises(subprocess.CalledProcessError):
            quickstart.train()
    quickstart.train()
    assert runs == ['tools/train.py']


def test_results_are_found(runs):
    checkpoint = quickstart.train()
    run_dir = quickstart.test(checkpoint)
    assert json.loads((run_dir / f'{run_dir.name}.json').read_text())
    assert quickstart.training_log().parent.parent == quickstart.WORK_DIR


def test_its_config_is_there():
    assert (REPO / quickstart.CONFIG).is_file()
