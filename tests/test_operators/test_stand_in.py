"""mmcv finds the operators in one process, or by a file in its folder."""

import shutil
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import mmcv
import pytest
import torch
from mmcv.ops import carafe

from helpers.scripts import run_python
from mmdet_centernet_operators import mmcv_ext, stand_in

COMMAND = ('-m', 'mmdet_centernet_operators')
NO_OPERATORS = "No module named 'mmcv._ext'"


@pytest.fixture(scope='module')
def bare(tmp_path_factory):
    """A folder with an mmcv that has neither compiled operators nor our file."""
    folder = tmp_path_factory.mktemp('bare')
    without = shutil.ignore_patterns('_ext.*', '__pycache__', 'csrc')
    shutil.copytree(Path(mmcv.__path__[0]), folder / 'mmcv', ignore=without)
    return folder


@pytest.fixture
def bare_python(bare):
    """Runs Python with that mmcv first in the path."""
    path = f'{bare}:{Path(find_spec("mmdet_centernet").origin).parents[1]}'
    yield partial(run_python, cwd=bare, PYTHONPATH=path)
    (bare / 'mmcv/_ext.py').unlink(missing_ok=True)


def test_mmcv_without_operators_does_not_import(bare_python):
    assert NO_OPERATORS in bare_python('-c', 'import mmcv.ops', check=False)
    assert NO_OPERATORS in bare_python('-c', 'import mmdet.models', check=False)


@pytest.mark.slow
def test_importing_the_plugin_is_enough_in_a_process(bare_python):
    code = 'import mmdet_centernet, mmcv._ext, mmdet.models; print(mmcv._ext.__name__)'
    assert bare_python('-c', code).split()[-1] == 'mmdet_centernet_operators.mmcv_ext'


@pytest.mark.slow
def test_the_file_serves_programs_that_do_not_know_the_plugin(bare, bare_python):
    printed = bare_python(*COMMAND, 'install')
    assert str(bare / 'mmcv/_ext.py') in printed
    code = (
        'import mmdet.models, sys; assert "mmdet_centernet" not in sys.modules; '
        'import torch; from mmcv.ops import nms; '
        'print(nms(torch.tensor([[0., 0, 9, 9], [0, 0, 9, 8]]), torch.ones(2), 0.5)[1])'
    )
    assert bare_python('-c', code).split()[-1] == 'tensor([0])'
    assert 'for every program' in bare_python(*COMMAND, 'status')
    # The plugin finds the file and leaves mmcv to it.
    code = 'import mmdet_centernet, mmcv._ext; print(mmcv._ext.__file__)'
    assert bare_python('-c', code).split()[-1] == str(bare / 'mmcv/_ext.py')

    assert 'is deleted' in bare_python(*COMMAND, 'remove')
    assert not (bare / 'mmcv/_ext.py').exists()
    assert 'nothing to do' in bare_python(*COMMAND, 'remove')
    assert 'import mmdet_centernet first' in bare_python(*COMMAND, 'status')
    assert NO_OPERATORS in bare_python('-c', 'import mmcv.ops', check=False)


def test_a_file_of_others_is_left_alone(bare, bare_python):
    path = bare / 'mmcv/_ext.py'
    path.write_text('mine = True\n')
    assert 'stays unchanged' in bare_python(*COMMAND, 'install', check=False)
    assert 'nothing to do' in bare_python(*COMMAND, 'remove')
    assert path.read_text() == 'mine = True\n'


@pytest.mark.parametrize('name', ['_ext.cpython-311-x86_64-linux-gnu.so', '_ext.pyd'])
def test_never_put_over_compiled_operators(bare, bare_python, name):
    compiled = bare / 'mmcv' / name
    compiled.touch()
    try:
        assert 'nothing to do' in bare_python(*COMMAND, 'install')
        assert not (bare / 'mmcv/_ext.py').exists()
        assert name in bare_python(*COMMAND, 'status')
    finally:
        compiled.unlink()


def test_compiled_operators_that_do_not_load_are_named(bare, bare_python):
    compiled = bare / 'mmcv/_ext.abi3.so'
    compiled.write_bytes(b'no library')
    try:
        printed = bare_python('-c', 'import mmdet_centernet', check=False)
    finally:
        compiled.unlink()
    assert 'mmcv cannot load its compiled operators' in printed
    assert 'pip uninstall -y mmcv && pip install "mmcv-lite>=2.0.0,<2.2.0"' in printed


def test_what_pip_leaves_of_mmcv_goes_with_the_file(tmp_path):
    folder = tmp_path / 'mmcv'
    folder.mkdir()
    (folder / '_ext.py').write_text(stand_in.TEXT)
    path = f'{tmp_path}:{Path(stand_in.__file__).parents[1]}'
    # Without site-packages, so that this is the only mmcv.
    code = (
        'import sys; sys.path = [p for p in sys.path if "site-packages" not in p]; '
        f'sys.argv = ["", {{!r}}]; import runpy; runpy.run_module({COMMAND[1]!r}, '
        'run_name="__main__")'
    )
    printed = run_python(
        '-c', code.format('install'), cwd=tmp_path, PYTHONPATH=path, check=False
    )
    assert 'mmcv is not installed here' in printed
    run_python('-c', code.format('remove'), cwd=tmp_path, PYTHONPATH=path)
    assert not folder.exists()


def test_an_operator_without_a_stand_in_is_named_when_it_is_called(monkeypatch):
    monkeypatch.setattr(sys.modules['mmcv.ops.carafe'], 'ext_module', mmcv_ext)
    with pytest.raises(NotImplementedError, match='does not replace `carafe_forward`'):
        carafe(torch.rand(1, 4, 4, 4), torch.rand(1, 9, 8, 8), 3, 1, 2)


def test_only_operators_are_looked_up():
    with pytest.raises(AttributeError):
        mmcv_ext.__path__  # noqa: B018
    assert mmcv_ext.__getattr__('nms') is mmcv_ext.nms
