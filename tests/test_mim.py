"""openmim, in an environment of its own because of its pins."""

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest

from helpers.checkout import copy_checkout, install
from helpers.scripts import path_for_mmdets_own, run
from helpers.tiny import config_paths, load_config, shrink, tiny_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.version_info >= (3, 12), reason='openmim does not run on Python 3.12'
    ),
]

# pandas, which openmim requires, could install a numpy that torch does not support.
OPENMIM = ('openmim==0.3.9', f'numpy=={np.__version__}')
NAME = 'ctdet_r18-fpn_1xb8-24e_bccd'
# Messages of pip when the index is unreachable or lacks the package.
UNREACHABLE = ('No matching distribution', 'Could not find a version', 'Max retries')


@pytest.fixture(scope='session')
def mim():
    """`mim` in a cached environment that also sees the packages of this one."""
    cache = Path(os.environ.get('XDG_CACHE_HOME', Path.home() / '.cache'))
    python = f'py{sys.version_info.major}{sys.version_info.minor}'
    name = '-'.join((*OPENMIM, python)).replace('==', '-')
    venv = cache / 'mmdet_centernet/venvs' / name
    finished = venv / 'finished'
    if not finished.exists():
        make_environment(venv)
        finished.touch()
    here = Path(sysconfig.get_path('purelib'))
    (there,) = venv.glob('lib/python*/site-packages')
    (there / 'packages_under_test.pth').write_text(f'{here}\n')
    return venv / 'bin/mim'


def make_environment(venv):
    subprocess.run([sys.executable, '-m', 'venv', '--clear', venv], check=True)
    command = (venv / 'bin/pip', 'install', '--quiet', *OPENMIM)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and any(words in done.stderr for words in UNREACHABLE):
        pytest.skip(f'pip cannot fetch {OPENMIM[0]}: {done.stderr.splitlines()[-1]}')
    assert not done.returncode, done.stderr


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    sources = copy_checkout(tmp_path_factory.mktemp('sources') / 'checkout')
    return str(install(sources, tmp_path_factory.mktemp('installed')))


@pytest.mark.skipif(
    'mmdet' not in packages_distributions()['mmdet'],
    reason='openmim does not support the forks of mmdet',
)
def test_train_and_test_mmdet_with_our_config(mim, tmp_path):
    config = tiny_config(tmp_path)
    path = path_for_mmdets_own(tmp_path)
    printed = run(mim, 'train', 'mmdet', config, cwd=tmp_path, PYTHONPATH=path)
    assert 'coco/bbox_mAP: ' in printed
    assert 'Training finished successfully' in printed
    checkpoint = ('--checkpoint', tmp_path / 'work_dir/epoch_1.pth')
    command = (mim, 'test', 'mmdet', config, *checkpoint)
    printed = run(*command, cwd=tmp_path, PYTHONPATH=path)
    assert 'coco/bbox_mAP: ' in printed
    assert 'Testing finished successfully' in printed


def test_installed_package_by_the_name_of_a_config(mim, installed, tmp_path):
    folder = tmp_path / 'data/bccd'
    shrink(load_config(NAME), folder)
    for split in ('train', 'val', 'test'):
        (folder / f'{split}.json').symlink_to('annotations.json')
    options = ('train_cfg.max_epochs=1', 'train_dataloader.batch_size=2')
    command = (mim, 'train', 'mmdet_centernet', f'{NAME}.py', '--cfg-options', *options)
    printed = run(*command, cwd=tmp_path, PYTHONPATH=installed)
    assert (
        f'will use {installed}/mmdet_centernet/.mim/configs/ctdet/{NAME}.py' in printed
    )
    assert 'Training finished successfully' in printed

    config = f'{installed}/mmdet_centernet/.mim/configs/ctdet/{NAME}.py'
    checkpoint = f'work_dirs/{NAME}/epoch_1.pth'
    command = (mim, 'run', 'mmdet_centernet', 'test', config, checkpoint)
    assert 'coco/bbox_mAP: ' in run(*command, cwd=tmp_path, PYTHONPATH=installed)


def test_search_reads_the_metafiles(mim, installed, tmp_path):
    command = (mim, 'search', 'mmdet_centernet', '--display-width', '300')
    printed = run(*command, cwd=tmp_path, PYTHONPATH=installed)
    for path in config_paths():
        assert f'config id: {path.stem}' in printed
    assert 'https://download.openmmlab.com/mmdetection/' in printed
