"""mmdet's scripts, with a narrow network and generated images."""

import pickle
import re
from functools import partial

import pytest
import torch
from mmdet.apis import DetInferencer

from helpers.scripts import MMDET_TOOLS, path_for_mmdets_own, run_python
from helpers.tiny import REPO, tiny_config

pytestmark = pytest.mark.slow

TOOLS = REPO / 'tools'
ANALYSIS = MMDET_TOOLS / 'analysis_tools'


@pytest.fixture(scope='module')
def run_mmdets(tmp_path_factory):
    """Runs a script that imports mmdet before this plugin."""
    path = path_for_mmdets_own(tmp_path_factory.mktemp('path'))
    return partial(run_python, PYTHONPATH=path)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return tiny_config(tmp_path_factory.mktemp('cli'))


@pytest.fixture(scope='module')
def first_epoch(config):
    """Output of train.py for one epoch at a quarter of the batch size."""
    return run_python(TOOLS / 'train.py', config, '--auto-scale-lr', cwd=config.parent)


@pytest.fixture(scope='module')
def checkpoint(config, first_epoch):
    return config.parent / 'work_dir/epoch_1.pth'


@pytest.fixture(scope='module')
def tested(config, checkpoint):
    """Output of test.py; the results are beside the config."""
    command = (TOOLS / 'test.py', config, checkpoint)
    options = ('--out', 'results.pkl', '--show-dir', 'drawn', '--work-dir', 'test')
    return run_python(*command, *options, cwd=config.parent)


def test_train_scales_the_learning_rate(first_epoch):
    assert 'based on batch size of 8 and the current batch size is 2' in first_epoch
    assert 'Scaling the original LR by 0.25' in first_epoch


def test_train_validates_and_saves(first_epoch, checkpoint):
    assert 'coco/bbox_mAP: ' in first_epoch
    assert checkpoint.exists()


def test_resume_continues_from_the_last_checkpoint(config, checkpoint):
    options = ('--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    printed = run_python(TOOLS / 'train.py', config, *options, cwd=config.parent)
    assert 'resumed epoch: 1, iter: 2' in printed
    assert 'Epoch(train) [1]' not in printed
    assert (checkpoint.parent / 'epoch_2.pth').exists()


def test_amp(config):
    options = ('--amp', '--work-dir', 'amp')
    command = (TOOLS / 'train.py', config, *options)
    if torch.cuda.is_available():
        assert 'coco/bbox_mAP: ' in run_python(*command, cwd=config.parent)
    else:
        # Error of mmengine: the option was passed on.
        printed = run_python(*command, cwd=config.parent, check=False)
        assert 'only available training on gpu' in printed


def test_test_prints_ap_and_draws(config, tested):
    assert 'coco/bbox_mAP: ' in tested
    (images,) = (config.parent / 'test').glob('*/drawn')
    assert len(list(images.iterdir())) == 4
    results = pickle.loads((config.parent / 'results.pkl').read_bytes())  # noqa: S301
    assert len(results) == 4


def test_mmdets_own_scripts(config, checkpoint, run_mmdets):
    options = ('--work-dir', 'own', '--cfg-options', f'load_from={checkpoint}')
    command = (MMDET_TOOLS / 'train.py', config, *options)
    printed = run_mmdets(*command, cwd=config.parent)
    assert f'Load checkpoint from {checkpoint}' in printed
    saved = config.parent / 'own/epoch_1.pth'
    command = (MMDET_TOOLS / 'test.py', config, saved)
    assert 'coco/bbox_mAP: ' in run_mmdets(*command, cwd=config.parent)


def test_analyze_results(config, tested, run_mmdets):
    command = (ANALYSIS / 'analyze_results.py', config, 'results.pkl', 'analysis')
    # Above the scores of this untrained network: mmengine refuses to draw its inverted
    # boxes.
    options = ('--topk', '2', '--show-score-thr', '0.9')
    run_mmdets(*command, *options, cwd=config.parent)
    for folder in ('good', 'bad'):
        assert len(list((config.parent / 'analysis' / folder).iterdir())) == 2


def test_browse_dataset(config, run_mmdets):
    options = ('--not-show', '--output-dir', 'browsed')
    run_mmdets(ANALYSIS / 'browse_dataset.py', config, *options, cwd=config.parent)
    assert len(list((config.parent / 'browsed').iterdir())) == 4


def test_get_flops(config, run_mmdets):
    command = (ANALYSIS / 'get_flops.py', config, '--num-images', '1')
    printed = run_mmdets(*command, cwd=config.parent)
    flops = re.search(r'Flops: ([\d.]+)M', printed)
    params = re.search(r'Params: ([\d.]+)M', printed)
    assert float(flops.group(1)) > 1
    assert float(params.group(1)) > 0.1


def test_inferencer_on_a_folder(config, checkpoint):
    inferencer = DetInferencer(str(config), str(checkpoint), device='cpu')
    folder = config.parent / 'images'
    out_dir = config.parent / 'inferred'
    answer = inferencer(str(folder), out_dir=str(out_dir), no_save_pred=False)
    assert len(answer['predictions']) == 4
    for prediction in answer['predictions']:
        assert len(prediction['bboxes']) == len(prediction['scores']) == 100
    assert {p.name for p in (out_dir / 'vis').iterdir()} == {
        p.name for p in folder.iterdir()
    }


def test_help_is_that_of_mmdet(tmp_path):
    printed = run_python(TOOLS / 'train.py', '--help', cwd=tmp_path)
    assert '--auto-scale-lr' in printed
    # openmim adds `--gpus` to the command if the help text contains it.
    assert '--gpus' not in printed
