import sys

import mmcv
import mmdet
import mmengine
import pytest
import torch

from mmdet_centernet.environment import (
    MINIMUM_VERSIONS,
    check_versions,
    load_operators,
)


@pytest.mark.parametrize('library', [torch, mmengine, mmcv, mmdet])
def test_says_what_to_install_for_an_old_library(library, monkeypatch):
    monkeypatch.setattr(library, '__version__', '0.1.0')
    name = library.__name__
    command = f'pip install -U "{name}>={MINIMUM_VERSIONS[name]}"'
    with pytest.raises(ImportError, match=command):
        check_versions()


@pytest.mark.parametrize('library', [torch, mmengine, mmcv, mmdet])
@pytest.mark.parametrize('version', ['9.9.9', '4.0.0rc1', '3.10.0+cu130'])
def test_has_no_upper_bound(library, version, monkeypatch):
    monkeypatch.setattr(library, '__version__', version)
    check_versions()


def test_says_what_to_install_for_a_missing_library(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv', None)
    with pytest.raises(ImportError, match='mmcv, which is not installed: pip install'):
        check_versions()


def test_says_what_to_do_where_torch_cannot_use_numpy(monkeypatch):
    def refuse(array):
        raise RuntimeError('Numpy is not available')

    monkeypatch.setattr(torch, 'from_numpy', refuse)
    with pytest.raises(ImportError, match=r'Numpy is not available.*"numpy<2"'):
        check_versions()


def test_says_how_to_fix_compiled_operators_that_do_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv.ops', None)
    message = r'another torch.*pip uninstall -y mmcv && pip install "mmcv-lite>=2'
    with pytest.raises(ImportError, match=message):
        load_operators()
