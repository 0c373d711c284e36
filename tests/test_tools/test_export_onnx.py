"""Command line of the export."""

import json
import re
from collections import Counter
from pathlib import Path

import onnx
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.exported import (
    HAS_DEFORM_CONV,
    detector_of_properties,
    lively_detector,
    small_config,
)
from helpers.scripts import run_python
from helpers.tiny import REPO, load_config, shrink, tiny_config
from helpers.tool_modules import load_tool

SCRIPT = REPO / 'tools/export_onnx.py'


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return tiny_config(tmp_path_factory.mktemp('export'))


@pytest.fixture(scope='module')
def checkpoint(config):
    """Weights as mmengine saves them."""
    path = config.parent / 'weights.pth'
    detector = lively_detector(Config.fromfile(config))
    # The other way round than in the data: mmdet writes them as the config lists them.
    meta = dict(dataset_meta=dict(classes=('disc', 'square')))
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
    assert 'labels from 0 on, as the train data number them: square, disc' in printed
    assert 'grid-sample' not in printed
    assert classes_in(tmp_path / 'm.onnx') == '["square", "disc"]'
    assert [path.name for path in tmp_path.iterdir()] == ['m.onnx']


def test_bare_weights_take_the_classes_of_the_config(
    config, checkpoint, tmp_path, export
):
    torch.save(torch.load(checkpoint)['state_dict'], tmp_path / 'bare.pth')
    export(config, tmp_path / 'bare.pth', tmp_path / 'm.onnx')
    assert classes_in(tmp_path / 'm.onnx') == '["square", "disc"]'


@pytest.fixture(scope='module')
def corners(tmp_path_factory):
    """A config with keypoints, and its weights by the skeleton in them."""
    folder = tmp_path_factory.mktemp('corners')
    cfg = shrink(
        load_config('ctpose_r18-half-fpn_1xb8-4e_digits-corners'), folder / 'data'
    )
    cfg.dump(folder / 'c.py')
    weights = detector_of_properties(cfg).state_dict()
    for name, skeleton in (('plain', None), ('square', ((0, 1), (1, 2)))):
        meta = dict(dataset_meta=dict(classes=cfg.metainfo.classes, skeleton=skeleton))
        torch.save(dict(state_dict=weights, meta=meta), folder / f'{name}.pth')
    return folder


def skeleton_in(path):
    metadata = {one.key: one.value for one in onnx.load(path).metadata_props}
    (keypoints,) = json.loads(metadata['properties'])
    return keypoints['skeleton']


def test_properties_and_their_skeleton(corners, tmp_path, export):
    model = tmp_path / 'm.onnx'
    printed = export(corners / 'c.py', corners / 'square.pth', model, '--normalize')
    assert re.search(r', keypoints \d\.\de-\d+ of their size$', printed.strip())
    assert skeleton_in(model) == [[0, 1], [1, 2]]
    export(corners / 'c.py', corners / 'plain.pth', model)
    assert skeleton_in(model) == []
    cfg = Config.fromfile(corners / 'c.py')
    cfg.visualizer.skeleton = [(2, 3)]
    cfg.dump(tmp_path / 'own.py')
    export(tmp_path / 'own.py', corners / 'square.pth', model)
    assert skeleton_in(model) == [[2, 3]]


def counts(annotations):
    """Boxes by category id, without padding."""
    return Counter(one['category_id'] for one in annotations if one['score'] > 0)


def test_names_are_those_of_mmdets_own_test(
    config, checkpoint, tmp_path, export, monkeypatch
):
    """The config lists the classes in another order than the annotation file."""
    cfg = Config.fromfile(config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo.classes = ('disc', 'square')
    cfg.test_evaluator.outfile_prefix = str(tmp_path / 'mmdet')
    cfg.update(load_from=str(checkpoint), work_dir=str(tmp_path), default_hooks={})
    cfg.dump(tmp_path / 'c.py')
    Runner.from_cfg(cfg).test()
    theirs = counts(json.loads((tmp_path / 'mmdet.bbox.json').read_text()))

    export(tmp_path / 'c.py', checkpoint, tmp_path / 'm.onnx', '--normalize')
    dataset = cfg.test_dataloader.dataset
    data = Path(dataset.data_root)
    command = (tmp_path / 'm.onnx', data / dataset.data_prefix.img)
    command += ('--out-dir', tmp_path / 'out')
    command += ('--annotations', data / dataset.ann_file)
    monkeypatch.setattr('sys.argv', ['predict_onnx.py', *map(str, command)])
    load_tool('predict_onnx.py').main()
    results = json.loads((tmp_path / 'out/predictions.json').read_text())
    ours = counts(results['annotations'])
    assert ours.keys() == theirs.keys() == {1, 3}
    assert all(abs(ours[key] - theirs[key]) <= 2 for key in ours), (ours, theirs)
    assert abs(theirs[1] - theirs[3]) > 10  # they would be seen the other way round


@pytest.fixture
def without_data(config, tmp_path):
    """The config without an annotation file."""
    cfg = Config.fromfile(config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(tmp_path / 'absent')
    path = tmp_path / 'without_data.py'
    cfg.dump(path)
    return path


def test_names_that_cannot_be_known(without_data, checkpoint, tmp_path, export):
    command = (without_data, checkpoint, tmp_path / 'm.onnx')
    with pytest.raises(SystemExit, match=r'annotations\.json.*--classes disc square'):
        export(*command)
    with pytest.raises(SystemExit, match='checkpoint was trained on disc, square'):
        export(*command, '--classes', 'square', 'cat')
    assert not (tmp_path / 'm.onnx').exists()
    printed = export(*command, '--classes', 'square', 'disc')
    assert 'from --classes: square, disc' in printed
    assert classes_in(tmp_path / 'm.onnx') == '["square", "disc"]'


def test_test_data_of_another_order(config, checkpoint, tmp_path, export):
    cfg = Config.fromfile(config)
    content = dict(images=[], annotations=[])
    content['categories'] = [dict(id=1, name='disc'), dict(id=2, name='square')]
    cfg.test_dataloader.dataset.ann_file = str(tmp_path / 'test.json')
    (tmp_path / 'test.json').write_text(json.dumps(content))
    cfg.dump(tmp_path / 'c.py')
    printed = export(tmp_path / 'c.py', checkpoint, tmp_path / 'm.onnx')
    assert "Warning: the test data number the classes as ['disc', 'square']" in printed
    assert classes_in(tmp_path / 'm.onnx') == '["square", "disc"]'


@pytest.mark.parametrize(
    ('missing', 'says'),
    [
        (('test',), None),
        (('test', 'val'), None),
        (
            ('test', 'val', 'pipeline'),
            'add test_dataloader, val_dataloader or test_pipeline',
        ),
    ],
)
def test_a_config_without_test_data(
    missing, says, config, checkpoint, tmp_path, export
):
    cfg = Config.fromfile(config)
    cfg.test_pipeline = cfg.test_dataloader.dataset.pipeline
    for split in missing:
        cfg.pop('test_pipeline' if split == 'pipeline' else f'{split}_dataloader')
    cfg.dump(tmp_path / 'c.py')
    command = (tmp_path / 'c.py', checkpoint, tmp_path / 'm.onnx')
    if says:
        with pytest.raises(SystemExit, match=says):
            export(*command)
    else:
        assert 'opset 16' in export(*command)


def test_one_image_of_a_fixed_size(config, checkpoint, tmp_path, export):
    command = (config, checkpoint, tmp_path / 'm.onnx', '--normalize', '--static')
    assert 'images 1 x 64 x 96 x 3:' in export(*command, 64, 96)
    with pytest.raises(SystemExit, match=r'multiples of 32, such as --static 64 128'):
        export(*command, 64, 100)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_DEFORM_CONV, reason='needs torch 2.1, onnxruntime 1.25')
def test_says_when_a_runtime_needs_grid_sample(tmp_path, export):
    cfg = small_config('r18_dcn')
    weights = dict(state_dict=lively_detector(cfg).state_dict())
    torch.save(weights, tmp_path / 'weights.pth')
    cfg.dump(tmp_path / 'c.py')
    command = (tmp_path / 'c.py', tmp_path / 'weights.pth', tmp_path / 'm.onnx')
    printed = export(*command)  # no data either: COCO's classes are known
    assert "as COCO's published files number them: person, bicycle" in printed
    assert 'but not OpenVINO and others: for those add --grid-sample' in printed
    assert 'grid-sample' not in export(*command, '--grid-sample')


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


def test_float_images_do_not_fit_into_uint8(config, checkpoint, tmp_path, export):
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
