"""The doctor, also where mmdet_centernet cannot be imported."""

import subprocess
import sys

import pytest

from helpers.scripts import environment
from helpers.tiny import REPO

pytestmark = pytest.mark.slow


def python(*arguments, stubs=None):
    """Runs a process in which stubs replace installed modules."""
    path = f'{stubs}:{REPO}' if stubs else str(REPO)
    variables = environment(PYTHONPATH=path)
    del variables['PYTHONWARNINGS']  # what users see
    return subprocess.run(
        [sys.executable, *arguments],
        env=variables,
        cwd='/',
        capture_output=True,
        text=True,
        timeout=300,
    )


def doctor(*arguments, stubs=None):
    return python('-m', 'mmdet_centernet_doctor', *arguments, stubs=stubs)


def stub(folder, name, code):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code)
    return folder


def test_a_healthy_environment():
    done = doctor()
    assert done.stderr == ''
    assert 'train   yes\n  test    yes\n  DCN     yes\n' in done.stdout
    assert done.stdout.endswith('No problem found.\n')
    assert done.returncode == 0


def test_a_missing_library(tmp_path):
    code = 'raise ModuleNotFoundError("No module named \'mmcv\'", name="mmcv")'
    stubs = stub(tmp_path, 'mmcv/__init__.py', code)
    done = doctor(stubs=stubs)
    assert done.returncode == 1
    assert 'train   no, see 1' in done.stdout
    assert '1. mmcv is not installed\n   fix: pip ' in done.stdout
    assert 'pip install "mmcv-lite>=2.0.0,<2.2.0"\n' in done.stdout
    assert '\n2. ' not in done.stdout
    done = python('-c', 'import mmdet_centernet', stubs=stubs)
    assert '`mmdet_centernet doctor`' in done.stderr.splitlines()[-1]


def test_a_library_that_crashes_python(tmp_path):
    stubs = stub(tmp_path, 'cv2.py', 'import os; os.abort()')
    done = doctor(stubs=stubs)
    assert done.returncode == 1
    assert '1. opencv does not work (Python crashed' in done.stdout
    assert 'Traceback' not in done.stdout + done.stderr


def test_a_broken_mmdet_leads_to_the_doctor(tmp_path):
    stubs = stub(tmp_path, 'mmdet/__init__.py', 'assert False, "MMCV==9 is used"')
    done = python('-c', 'import mmdet_centernet', stubs=stubs)
    last = done.stderr.splitlines()[-1]
    assert 'mmdet, which cannot be imported (AssertionError: MMCV==9 is used)' in last
    assert '`mmdet_centernet doctor`' in last


def test_help_needs_no_library(tmp_path):
    stubs = stub(tmp_path, 'torch.py', 'raise ImportError')
    done = doctor('--help', stubs=stubs)
    assert done.returncode == 0
    assert 'Exit status: 0' in done.stdout


def test_its_former_name():
    done = python('-m', 'mmdet_centernet.doctor', '--help')
    assert 'usage: mmdet_centernet doctor' in done.stdout


IMPORTED = """
import sys
from mmdet_centernet_operators.stand_in import use_in_this_process
use_in_this_process()
import mmcv.ops, mmdet.models, mmengine.runner
packages = lambda: {name.split('.')[0] for name in sys.modules}
before = packages()
import mmdet_centernet
brought = packages() - before - sys.stdlib_module_names
print(sorted(brought - {'mmdet_centernet'}))
mmdet_centernet.models
"""


def test_the_import_is_quiet_and_imports_no_more_packages_than_mmdet(tmp_path):
    script = stub(tmp_path, 'script.py', IMPORTED) / 'script.py'
    done = python(script)
    assert (done.stdout, done.stderr) == ('[]\n', '')
    assert done.returncode == 0
