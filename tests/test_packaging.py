import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import mmdet_centernet
from helpers.checkout import copy_checkout, install
from helpers.scripts import run, run_python
from helpers.tiny import REPO

pytestmark = pytest.mark.slow

PACKAGE = 'mmdet_centernet'
BESIDE = ('mmdet_centernet_doctor', 'mmdet_centernet_operators')
CLI = 'mmdet_centernet_cli.py'
# Calls setuptools as pip does, without the isolated environment of pip.
HOOK = (
    'import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])("out")'
)


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp('sources') / 'checkout')


@pytest.fixture(scope='module')
def wheel(sources):
    options = ('--no-deps', '--no-build-isolation', '--wheel-dir', 'dist')
    run(sys.executable, '-m', 'pip', 'wheel', *options, '.', cwd=sources)
    (path,) = (sources / 'dist').glob('*.whl')
    return zipfile.ZipFile(path)


@pytest.fixture(scope='module')
def installed(sources, tmp_path_factory):
    return install(sources, tmp_path_factory.mktemp('installed'))


def is_hidden(path):
    """Whether a path is a cache, a link for mim or a linter setting."""
    return any(part == '__pycache__' or part[0] == '.' for part in path.parts)


def files_under(folder):
    files = [path for path in (REPO / folder).rglob('*') if path.is_file()]
    relative = [path.relative_to(REPO) for path in files]
    return {str(path) for path in relative if not is_hidden(path)}


def expected_contents():
    package = {CLI}.union(*map(files_under, (PACKAGE, *BESIDE)))
    for_mim = files_under('configs') | files_under('tools') | {'model-index.yml'}
    return package | {f'{PACKAGE}/.mim/{name}' for name in for_mim}


def test_wheel_contains_the_package_and_the_files_for_mim(wheel):
    contents = {name for name in wheel.namelist() if '.dist-info/' not in name}
    assert contents == expected_contents()
    assert f'{PACKAGE}/py.typed' in contents
    assert f'{PACKAGE}/.mim/tools/train.py' in contents


def children(wheel, folder):
    """Names in a folder of a wheel."""
    names = [name for name in wheel.namelist() if name.startswith(folder)]
    return {name.removeprefix(folder).split('/')[0] for name in names}


def test_wheel_contains_only_what_users_call(wheel):
    metadata = f'{PACKAGE}-{mmdet_centernet.__version__}.dist-info'
    assert children(wheel, '') == {PACKAGE, *BESIDE, CLI, metadata}
    assert children(wheel, f'{PACKAGE}/.mim/') == {
        'configs',
        'model-index.yml',
        'tools',
    }
    assert children(wheel, f'{PACKAGE}/.mim/tools/') == {
        'browse_targets.py',
        'convert_official.py',
        'export_onnx.py',
        'new_config.py',
        'predict_onnx.py',
        'quantize_onnx.py',
        'test.py',
        'train.py',
    }


def test_wheel_requires_no_particular_openmmlab(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith('.dist-info/METADATA'))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert (metadata['Name'], metadata['Version']) == (
        PACKAGE,
        mmdet_centernet.__version__,
    )
    requirements = metadata.get_all('Requires-Dist')
    needed = [r for r in requirements if 'extra ==' not in r]
    assert not any(word in r for r in needed for word in ('mmdet', 'mmcv', 'mmengine'))
    assert any('mmdet' in r for r in requirements)
    assert not any('<' in r or '==' in r.split(';')[0] for r in requirements)


def test_sdist_builds_the_same_wheel(sources, wheel, tmp_path):
    run_python('-c', HOOK, 'build_sdist', cwd=sources)
    (sdist,) = (sources / 'out').glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter='data')
    (unpacked,) = tmp_path.iterdir()
    run_python('-c', HOOK, 'build_wheel', cwd=unpacked)
    (path,) = (unpacked / 'out').glob('*.whl')
    assert sorted(zipfile.ZipFile(path).namelist()) == sorted(wheel.namelist())


def test_editable_install_links_the_files_for_mim(tmp_path):
    sources = copy_checkout(tmp_path / 'checkout')
    run_python('-c', HOOK, 'build_editable', cwd=sources)
    for name in ('configs', 'tools', 'model-index.yml'):
        link = sources / PACKAGE / '.mim' / name
        assert link.is_symlink()
        assert link.resolve() == sources / name


def test_installed_package_runs_without_the_checkout(installed, tmp_path):
    config = installed / PACKAGE / '.mim/configs/ctdet'
    config /= 'ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py'
    script = (
        'import sys; from mmengine.config import Config; '
        'cfg = Config.fromfile(sys.argv[1]); '
        'import mmdet_centernet; from mmdet.registry import MODELS; '
        'print(mmdet_centernet.__file__, MODELS.get(cfg.model.bbox_head.type).__name__)'
    )
    printed = run_python('-c', script, config, cwd=tmp_path, PYTHONPATH=str(installed))
    file, head = printed.split()[-2:]
    assert Path(file).is_relative_to(installed)
    assert head == 'CTDetHead'
