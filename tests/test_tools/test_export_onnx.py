"""The command line that exports."""

import onnx
import pytest
import torch
from exported import lively_detector
from mmengine.config import Config
from scripts import run_python
from tiny import REPO, tiny_config
from tool_modules import load_tool

SCRIPT = REPO / 'tools/export_onnx.py'


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return tiny_config(tmp_path_factory.mktemp('export'))


@pytest.fixture(scope='module')
def checkpoint(config):
    """Weights as mmengine would save them."""
    path = config.parent / 'weights.pth'
    detector = lively_detector(Config.fromfile(config))
    meta = dict(dataset_meta=dict(classes=('round', 'angular')))
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def export(monkeypatch, capsys):
    """Runs the script in this process; returns what it printed."""
    tool = load_tool('export_onnx.py')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['export_onnx.py', *map(str, arguments)])
        tool.main()
        return capsys.readouterr().out

    return run


def classes_in(path):
    (classes,) = (
        one.value for one in onnx.load(path).metadata_props if one.key == 'classes'
    )
    return classes


def test_says_how_close_it_is(config, checkpoint, tmp_path, export):
    printed = export(config, checkpoint, tmp_path / 'm.onnx', '--normalize', '--flip')
    assert 'opset 16. Largest differences from torch' in printed
    assert classes_in(tmp_path / 'm.onnx') == '["round", "angular"]'
    assert [path.name for path in tmp_path.iterdir()] == ['m.onnx']


def test_bare_weights_take_the_classes_of_the_config(
    config, checkpoint, tmp_path, export
):
    torch.save(torch.load(checkpoint)['state_dict'], tmp_path / 'bare.pth')
    export(config, tmp_path / 'bare.pth', tmp_path / 'm.onnx')
    assert classes_in(tmp_path / 'm.onnx') == '["square", "disc"]'


def break_key(state_dict):
    state_dict['backbone.conv2.weight'] = state_dict.pop('backbone.conv1.weight')


def break_shape(state_dict):
    state_dict['bbox_head.wh_head.2.bias'] = torch.zeros(4)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (break_key, r'do not fit the config[^$]*backbone\.conv1\.weight'),
        (break_shape, r'do not fit the config[^$]*wh_head\.2\.bias'),
    ],
)
def test_weights_that_do_not_fit(damage, message, config, checkpoint, tmp_path, export):
    weights = torch.load(checkpoint)
    damage(weights['state_dict'])
    torch.save(weights, tmp_path / 'wrong.pth')
    with pytest.raises(SystemExit, match=message):
        export(config, tmp_path / 'wrong.pth', tmp_path / 'm.onnx')
    assert [path.name for path in tmp_path.iterdir()] == ['wrong.pth']


def test_no_checkpoint(config, tmp_path, export):
    with pytest.raises(SystemExit, match=r'nothing\.pth'):
        export(config, tmp_path / 'nothing.pth', tmp_path / 'm.onnx')
    assert not list(tmp_path.iterdir())


def test_no_config(checkpoint, tmp_path, export):
    with pytest.raises(SystemExit, match=r'nothing\.py'):
        export(tmp_path / 'nothing.py', checkpoint, tmp_path / 'm.onnx')


def test_float_pictures_do_not_fit_into_uint8(config, checkpoint, tmp_path, export):
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.pipeline[0].to_float32 = True
    cfg.dump(tmp_path / 'float.py')
    with pytest.raises(SystemExit, match='Leave out --normalize'):
        export(tmp_path / 'float.py', checkpoint, tmp_path / 'm.onnx', '--normalize')
    export(tmp_path / 'float.py', checkpoint, tmp_path / 'm.onnx')


@pytest.mark.slow
def test_as_a_command_from_any_folder(config, checkpoint, tmp_path):
    printed = run_python(SCRIPT, config, checkpoint, 'm.onnx', cwd=tmp_path)
    assert printed.splitlines()[-1].startswith('m.onnx: opset 16.')
    assert 'Warning' not in printed
