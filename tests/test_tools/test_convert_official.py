"""Command line of the conversion of official checkpoints."""

import os
import re
import subprocess
import sys

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import init_default_scope

from helpers.official_networks import CONFIGS, official_shapes
from helpers.scripts import run_python
from helpers.shared_data import load_golden
from helpers.tiny import REPO
from helpers.tool_modules import load_tool
from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS

SCRIPT = REPO / 'tools/convert_official.py'
QUICK = ['res_18', 'resdcn_18', 'dla_34']
ALL = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CONFIGS]


def random_weights(name, num_classes=80):
    torch.manual_seed(0)
    weights = {k: torch.rand(s) for k, s in official_shapes(name).items()}
    for key in weights:
        if key.endswith('num_batches_tracked'):
            weights[key] = torch.tensor(7)
        if key in ('hm.2.weight', 'hm.2.bias', 'hm.0.1.weight', 'hm.0.1.bias') or (
            key.startswith('hm.1.1')
        ):
            weights[key] = weights[key][:num_classes].clone()
    return weights


@pytest.fixture
def convert(monkeypatch, capsys):
    """Runs the script in this process; returns the lines it printed."""
    tool = load_tool('convert_official.py')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['convert_official.py', *map(str, arguments)])
        tool.main()
        return capsys.readouterr().out.splitlines()

    return run


def load_strictly(checkpoint, config):
    """The model of a config with weights as mmdet's tools would load them."""
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    model.load_state_dict(weights, strict=True)
    return cfg


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype
        for key in one
    )


@pytest.mark.parametrize('name', ALL)
def test_result_loads_strictly_in_the_config_of_the_last_line(name, tmp_path, convert):
    source, target, back = (tmp_path / f'{n}.pth' for n in ('from', 'to', 'back'))
    official = dict(epoch=3, state_dict=random_weights(name), optimizer={'state': {}})
    torch.save(official, source)

    lines = convert(source, target)

    cfg = load_strictly(target, lines[-1])
    colors, golden = cfg.model.data_preprocessor, load_golden('geometry')
    assert colors.bgr_to_rgb is False
    assert colors.mean == pytest.approx(255 * golden['coco_mean_bgr'])
    assert colors.std == pytest.approx(255 * golden['coco_std_bgr'])
    pad = 127 if name == 'hourglass' else 31
    assert cfg.test_pipeline[1] == dict(type='CenterAffine', pad=pad)

    convert('--to-official', target, back)

    returned = torch.load(back, weights_only=True)
    assert returned['epoch'] == 3
    assert equal(returned['state_dict'], official['state_dict'])


def test_dropped_tensors_are_printed_with_the_reason(tmp_path, convert):
    torch.save(random_weights('dla_34'), tmp_path / 'from.pth')
    lines = convert(tmp_path / 'from.pth', tmp_path / 'to.pth')
    dropped = [line for line in lines if line.startswith('dropped ')]
    assert len(dropped) == 14
    assert any('base.fc.weight: classifier' in line for line in dropped)
    assert any('base.level3.project.0.weight: ' in line for line in dropped)


@pytest.mark.parametrize('name', ['res_18', 'resdcn_18'])
def test_a_config_is_written_for_another_number_of_classes(name, tmp_path, convert):
    torch.save(random_weights(name, num_classes=3), tmp_path / 'from.pth')
    lines = convert(tmp_path / 'from.pth', tmp_path / 'to.pth')
    assert lines[-1] == str(tmp_path / 'to.py')
    cfg = load_strictly(tmp_path / 'to.pth', lines[-1])
    assert cfg.model.bbox_head.num_classes == 3


def test_nobodys_config_is_overwritten(tmp_path, convert):
    torch.save(random_weights('resdcn_18', num_classes=3), tmp_path / 'from.pth')
    (tmp_path / 'to.py').write_text('mine')
    with pytest.raises(SystemExit, match=r'to\.py.* exists already'):
        convert(tmp_path / 'from.pth', tmp_path / 'to.pth')
    assert (tmp_path / 'to.py').read_text() == 'mine'
    assert not (tmp_path / 'to.pth').exists()


@pytest.mark.parametrize('name', ['resdcn_18', 'resdcn_101', 'dla_34'])
def test_twenty_classes_are_those_of_voc(name, tmp_path, convert):
    torch.save(random_weights(name, num_classes=20), tmp_path / 'from.pth')
    lines = convert(tmp_path / 'from.pth', tmp_path / 'to.pth')
    assert lines[-1].endswith('_voc0712.py')
    cfg = load_strictly(tmp_path / 'to.pth', lines[-1])
    # The official code takes constants in the order of RGB for BGR.
    assert cfg.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert cfg.model.data_preprocessor.bgr_to_rgb is False
    classes = torch.load(tmp_path / 'to.pth', weights_only=True)['meta']['dataset_meta']
    assert classes['classes'][0] == 'aeroplane'


def test_a_checkpoint_of_a_training_is_converted_without_its_log(tmp_path, convert):
    official = random_weights('res_18')
    torch.save(official, tmp_path / 'from.pth')
    convert(tmp_path / 'from.pth', tmp_path / 'ours.pth')
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)
    source = tmp_path / 'epoch_1.pth'
    torch.save(ours | dict(message_hub=HistoryBuffer([1.0], [1])), source)
    if not HAS_SAFE_GLOBALS:
        with pytest.raises(SystemExit, match='cannot be read as weights') as told:
            convert('--to-official', source, tmp_path / 'back.pth')
        (command,) = re.findall(r'python -c "(.*)"', str(told.value))
        subprocess.run([sys.executable, '-c', command], cwd=tmp_path, check=True)
        source = tmp_path / 'weights.pth'
    convert('--to-official', source, tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)
    assert equal(back['state_dict'], official)


class Malicious:
    def __reduce__(self):
        return os.system, ('touch "$CANARY"',)


def wrong_shape():
    # Sizes class by class, which our head does not have.
    weights = random_weights('resdcn_18')
    weights['wh.2.weight'] = torch.zeros(160, 64, 1, 1)
    return weights


def one_key_too_many():
    return random_weights('resdcn_18') | {'hps.0.weight': torch.zeros(1)}


def not_finite():
    weights = random_weights('resdcn_18')
    weights['wh.2.bias'][1] = torch.nan
    return weights


@pytest.mark.parametrize(
    ('checkpoint', 'message'),
    [
        (not_finite, r'1 of \d+ tensors .* such as wh\.2\.bias'),
        (wrong_shape, r'wh_head\.2\.weight: \(160, 64, 1, 1\) instead of \(2, 64'),
        (one_key_too_many, r'unknown: hps\.0\.weight'),
        (lambda: [1, 2], 'holds a list'),
        (lambda: dict(epoch=1), 'neither a state dict'),
        (Malicious, 'cannot be read as weights'),
    ],
)
@pytest.mark.parametrize('direction', [[], ['--to-official']])
def test_nothing_is_written_when_it_fails(
    direction, checkpoint, message, tmp_path, convert, monkeypatch
):
    monkeypatch.setenv('CANARY', str(tmp_path / 'canary'))
    torch.save(checkpoint(), tmp_path / 'from.pth')
    with pytest.raises(SystemExit) as ended:
        convert(*direction, tmp_path / 'from.pth', tmp_path / 'to.pth')
    assert ended.value.code not in (0, None)
    if not direction:
        ended.match(message)
    assert [path.name for path in tmp_path.iterdir()] == ['from.pth']


@pytest.mark.parametrize(
    ('target', 'message'),
    [
        ('to.py', r'name the result \*\.pth'),  # would replace weights by their config
        ('nowhere/to.pth', 'in an existing folder'),
        ('.', 'must be a file'),
    ],
)
def test_targets_that_cannot_be_written(target, message, tmp_path, convert):
    torch.save(random_weights('resdcn_18', num_classes=3), tmp_path / 'from.pth')
    with pytest.raises(SystemExit, match=message):
        convert(tmp_path / 'from.pth', tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ['from.pth']


@pytest.mark.parametrize('kept', [0.0, 0.5, 0.999])
def test_a_truncated_file_leaves_what_was_there(kept, tmp_path, convert):
    source, target = tmp_path / 'from.pth', tmp_path / 'to.pth'
    torch.save(random_weights('res_18'), source)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(kept * len(whole))])
    target.write_bytes(b'before')
    with pytest.raises(SystemExit, match='cannot be read as weights'):
        convert(source, target)
    assert target.read_bytes() == b'before'


def test_a_file_that_is_not_there(tmp_path, convert):
    with pytest.raises(SystemExit, match='No such file'):
        convert(tmp_path / 'from.pth', tmp_path / 'to.pth')


@pytest.mark.slow
def test_as_a_command_from_any_folder(tmp_path):
    torch.save(random_weights('dla_34'), tmp_path / 'from.pth')
    printed = run_python(SCRIPT, 'from.pth', 'to.pth', cwd=tmp_path)
    load_strictly(tmp_path / 'to.pth', printed.splitlines()[-1])
