"""Simulates each known problem as closely as this environment allows."""

import sys
from inspect import getsource

import cv2
import mmcv
import mmcv.ops
import mmdet
import numpy as np
import pycocotools.mask
import pytest
import torch
from mmengine.utils import package_utils

from helpers.tiny import CONFIGS
from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS, allow_mmengine_checkpoints
from mmdet_centernet.environment import check_versions
from mmdet_centernet_doctor import diagnosis, environment, probe
from mmdet_centernet_doctor.commands import GET_TORCH
from mmdet_centernet_doctor.diagnosis import find_problems, is_possible
from mmdet_centernet_doctor.environment import inspect_environment
from mmdet_centernet_doctor.findings import Findings, read_steps
from mmdet_centernet_doctor.probe import run_steps
from mmdet_centernet_doctor.report import is_healthy, write_report
from mmdet_centernet_operators import stand_in

EVERYTHING = ('train', 'test', 'DCN')


@pytest.fixture(autouse=True)
def one_copy(monkeypatch):
    """Hides other copies on this machine."""
    monkeypatch.setattr('mmdet_centernet_doctor.environment.editable_folders', list)


def examine(configs=(), **changes):
    """Runs the steps in this process and changes fields of the environment."""
    steps = {name: step for name, step in run_steps(list(configs)) if step}
    env = inspect_environment()
    env = env._replace(has_driver=False, copies=env.copies[:1])
    return Findings(steps, env._replace(**changes))


def installed(**distributions):
    """Returns the installed distributions, some of them replaced."""
    return inspect_environment().installed | distributions


def only_problem(**kwargs):
    findings = examine(**kwargs)
    (problem,) = find_problems(findings)
    assert not is_healthy(findings)
    report = write_report(findings)
    assert problem.fix in report
    for task in problem.prevents:
        assert not is_possible(findings, task) or 'config' in problem.what
        assert f'{task:6}  no, see 1' in report
    return problem


def hide(monkeypatch, *names):
    """Makes imports fail as for missing modules."""

    class Nothing:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name in names:
                raise ModuleNotFoundError(f'No module named {name!r}', name=name)

    for module in list(sys.modules):
        if any(module == name or module.startswith(f'{name}.') for name in names):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, 'meta_path', [Nothing, *sys.meta_path])


def raising(error):
    def function(*args, **kwargs):
        raise error

    return function


def test_this_environment_is_healthy():
    findings = examine()
    assert find_problems(findings) == []
    assert is_healthy(findings)
    assert all(is_possible(findings, task) for task in EVERYTHING)
    assert write_report(findings).endswith('No problem found.')


INSTALL = '\n   mmdet_centernet operators install\n'
COMPILE = 'MMCV_WITH_OPS=1 pip install'


def test_operators_in_plain_torch_are_no_problem():
    distribution = installed(mmcv=('mmcv-lite', '2.1.0'))
    findings = examine(compiled=False, stand_in=False, installed=distribution)
    assert is_healthy(findings)
    report = write_report(findings)
    assert 'in plain torch, for programs that import it first\n' in report
    assert INSTALL in report
    assert f'\n   pip uninstall -y mmcv-lite && {pip_build("mmcv==2.1.0")}\n' in report
    assert 'slower' not in report


def pip_build(requirement):
    """The command that compiles mmcv."""
    return (
        f'pip install "setuptools<81" wheel ninja && {COMPILE} --force-reinstall '
        '--no-deps --no-cache-dir --no-build-isolation --no-binary :all: '
        f'"{requirement}"'
    )


def test_no_advice_to_install_operators_that_are_installed():
    report = write_report(examine(compiled=False, stand_in=True))
    assert 'in plain torch, for all programs\n' in report
    assert INSTALL not in report


def test_no_note_on_compiled_operators():
    report = write_report(examine(compiled=True, stand_in=False))
    assert "Operators: mmcv's, compiled\n" in report
    assert INSTALL not in report
    assert COMPILE not in report


def test_operators_are_found_in_the_folder_of_mmcv(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, 'mmcv_folder', lambda: tmp_path)
    kinds = [inspect_environment()[2:4]]
    (tmp_path / '_ext.py').write_text(stand_in.TEXT)
    kinds.append(inspect_environment()[2:4])
    (tmp_path / '_ext.cpython-311-x86_64-linux-gnu.so').touch()
    kinds.append(inspect_environment()[2:4])
    monkeypatch.setattr(environment, 'mmcv_folder', lambda: None)
    kinds.append(inspect_environment()[2:4])
    assert kinds == [(False, False), (False, True), (True, True), (False, False)]


def test_plain_torch_is_slower_on_a_gpu(monkeypatch):
    facts = dict(name='H100', capability='sm_90')
    monkeypatch.setitem(probe.STEPS, 'gpu', lambda: facts)
    words = 'on this GPU DCN is computed by plain torch, or by torchvision'
    findings = examine(compiled=False)
    assert is_healthy(findings)
    assert words in ' '.join(write_report(findings).split())
    assert words not in ' '.join(write_report(examine(compiled=True)).split())


@pytest.mark.parametrize(
    ('distribution', 'build'),
    [
        (('mmcv', '2.1.0'), pip_build('mmcv==2.1.0')),
        (
            ('onedl-mmcv', '2.3.6'),
            pip_build('onedl-mmcv==2.3.6').replace('"setuptools<81"', 'setuptools'),
        ),
    ],
)
def test_compiled_operators_of_another_torch(distribution, build, monkeypatch):
    error = ImportError('_ext.so: undefined symbol: _ZN3c104cuda9SetDeviceEi')
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', raising(error))
    problem = only_problem(compiled=True, installed=installed(mmcv=distribution))
    assert 'do not fit torch 2' in problem.what
    assert 'undefined symbol: _ZN3c104cuda9SetDeviceEi' in problem.what
    without = f'pip uninstall -y {distribution[0]} && pip install "mmcv-lite>=2.0.0'
    assert problem.fix.startswith(without)
    assert problem.fix.endswith(build)
    assert problem.prevents == (*EVERYTHING, 'export')


def test_mmcv_and_mmcv_lite_are_both_uninstalled(monkeypatch):
    error = ImportError('_ext.so: undefined symbol: _ZN3c104cuda9SetDeviceEi')
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', raising(error))
    distribution = installed(mmcv=('mmcv-lite', '2.1.0'))
    problem = only_problem(compiled=True, installed=distribution)
    command = 'pip uninstall -y mmcv mmcv-lite && pip install "mmcv-lite>=2.0.0,<2.2.0"'
    assert problem.fix.startswith(command)


def test_operators_that_crash_python():
    lines = ['["mmcv", [{"version": "2.1.0"}, null, null]]', '["operators", null]']
    steps = read_steps(lines, 'Python crashed, exit status -11')
    env = inspect_environment()._replace(installed=installed(mmcv=('mmcv', '2.1.0')))
    problem, *_ = find_problems(Findings(steps, env))
    assert 'operators of mmcv 2.1.0 do not fit' in problem.what
    assert 'pip uninstall -y mmcv && ' in problem.fix


def test_mmcv_is_missing(monkeypatch):
    known = {module: one for module, one in installed().items() if module != 'mmcv'}
    monkeypatch.setattr(environment, 'mmcv_folder', lambda: None)
    hide(monkeypatch, 'mmcv')
    problem = only_problem(installed=known)
    assert problem.what == 'mmcv is not installed'
    assert problem.fix == 'pip install "mmcv-lite>=2.0.0,<2.2.0"'


@pytest.mark.skipif(
    not hasattr(mmdet, 'mmcv_maximum_version'), reason='this mmdet sets no upper bound'
)
def test_mmcv_outside_the_bounds_of_mmdet(monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmdet')  # runs its assertion again
    monkeypatch.setattr(mmcv, '__version__', '2.2.0')
    problem = only_problem(installed=installed(mmcv=('mmcv', '2.2.0')))
    assert 'refuses MMCV==2.2.0: it needs mmcv>=2.0.0rc4, <2.2.0' in problem.what
    command = 'pip uninstall -y mmcv && pip install "mmcv-lite>=2.0.0rc4,<2.2.0"'
    assert problem.fix.startswith(command)
    assert 'onedl-mmdetection' in problem.fix


uses_pkg_resources = pytest.mark.skipif(
    'pkg_resources' not in getsource(package_utils),
    reason='this mmengine does without pkg_resources',
)


@uses_pkg_resources
def test_pkg_resources_is_gone(monkeypatch):
    hide(monkeypatch, 'pkg_resources')
    problem = only_problem()
    assert 'has no pkg_resources' in problem.what
    assert problem.fix == 'pip install "setuptools<81"'
    assert set(problem.prevents) >= set(EVERYTHING)


@uses_pkg_resources
def test_mim_without_pkg_resources_is_the_same_problem(monkeypatch, tmp_path):
    (tmp_path / 'mim').mkdir()
    (tmp_path / 'mim/__init__.py').write_text('import pkg_resources')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mim', raising=False)
    hide(monkeypatch, 'pkg_resources')
    assert 'mim' in only_problem().prevents


def openxlab(folder, monkeypatch):
    """The metadata of openxlab, reduced to its pins."""
    metadata = folder / 'openxlab-0.1.3.dist-info/METADATA'
    metadata.parent.mkdir()
    lines = ('Name: openxlab', 'Version: 0.1.3', 'Requires-Dist: setuptools~=60.2.0')
    metadata.write_text('\n'.join(('Metadata-Version: 2.1', *lines, '')))
    (metadata.parent / 'top_level.txt').write_text('openxlab')
    monkeypatch.syspath_prepend(folder)


def test_pins_of_openmim_are_a_note(tmp_path, monkeypatch):
    openxlab(tmp_path, monkeypatch)
    # From Python 3.12 on it is a problem, see the next test.
    findings = examine()
    findings = findings._replace(env=findings.env._replace(python=(3, 11)))
    assert is_healthy(findings)
    (pin,) = findings.env.broken_pins
    assert pin.startswith('openxlab 0.1.3 requires setuptools~=60.2.0, ')
    assert 'give it one of its own' in ' '.join(write_report(findings).split())


def test_packaging_is_not_needed_without_openmim(monkeypatch):
    hide(monkeypatch, 'packaging')
    assert inspect_environment().broken_pins == ()


def test_metadata_without_a_name(tmp_path, monkeypatch):
    """A failed installation leaves some."""
    metadata = tmp_path / 'broken-1.0.dist-info'
    metadata.mkdir()
    (metadata / 'top_level.txt').write_text('broken\ntorch')
    monkeypatch.syspath_prepend(tmp_path)
    found = inspect_environment().installed
    assert 'broken' not in found
    assert found['torch'][0] == 'torch'


def test_openmim_on_python_312(tmp_path, monkeypatch):
    openxlab(tmp_path, monkeypatch)
    problem = only_problem(python=(3, 12))
    assert 'does not run on Python 3.12' in problem.what
    assert problem.prevents == ('mim',)


@pytest.mark.skipif(not HAS_SAFE_GLOBALS, reason='this torch refuses no checkpoint')
def test_checkpoints_are_refused():
    torch.serialization.clear_safe_globals()
    try:
        problem = only_problem()
    finally:
        allow_mmengine_checkpoints()
    assert 'refuses to read checkpoints of mmengine (weights_only)' in problem.what
    assert problem.prevents == ('test',)


SIZE_CHANGED = ValueError(
    'numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C '
    'header, got 88 from PyObject'
)


@pytest.mark.parametrize(
    ('module', 'function', 'error', 'named'),
    [
        (torch, 'from_numpy', RuntimeError('Numpy is not available'), 'torch'),
        (pycocotools.mask, 'encode', SIZE_CHANGED, 'pycocotools'),
        (
            cv2,
            'resize',
            ImportError('numpy.core.multiarray failed to import'),
            'opencv',
        ),
    ],
)
def test_compiled_against_another_numpy(module, function, error, named, monkeypatch):
    monkeypatch.setattr(module, function, raising(error))
    problem = only_problem()
    assert problem.what.startswith(named)
    assert f'compiled against another numpy than {np.__version__}' in problem.what
    assert 'pip install "numpy<2"' in problem.fix


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (
            ImportError('libGL.so.1: cannot open shared object file: No such file'),
            'opencv needs libGL.so.1',
        ),
        (
            AttributeError("module 'cv2' has no attribute 'resize'"),
            'opencv is incomplete',
        ),
    ],
)
def test_opencv_that_does_not_load(error, words, monkeypatch):
    monkeypatch.setattr(cv2, 'resize', raising(error))
    problem = only_problem()
    assert words in problem.what
    assert problem.fix.endswith('pip install opencv-python-headless')


def test_weights_of_torchvision_without_torchvision(monkeypatch):
    hide(monkeypatch, 'torchvision')
    (path,) = CONFIGS.rglob('ctdet_r18_8xb16-crop512-140e_coco.py')
    problem = only_problem(configs=[str(path)])
    assert 'torchvision://resnet18' in problem.what
    assert problem.fix.startswith('pip install torchvision "torch==2.')
    (path,) = CONFIGS.rglob('ctdet_r18-fpn_1xb8-24e_bccd.py')
    assert is_healthy(examine(configs=[str(path)]))


def test_torchvision_for_another_torch(monkeypatch, tmp_path):
    (tmp_path / 'torchvision').mkdir()
    (tmp_path / 'torchvision/__init__.py').write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'torchvision', raising=False)
    problem = only_problem()
    assert 'was built for another torch' in problem.what
    assert '--force-reinstall torchvision "torch==2.' in problem.fix


def test_another_copy_is_hidden(monkeypatch, tmp_path):
    package = tmp_path / 'mmdet_centernet'
    package.mkdir()
    (package / '__init__.py').touch()
    monkeypatch.syspath_prepend(CONFIGS.parent)
    monkeypatch.syspath_prepend(tmp_path)
    copies = inspect_environment().copies
    problem = only_problem(copies=copies)
    assert problem.what.startswith(f'{package} is imported and hides another copy')
    assert str(CONFIGS.parent / 'mmdet_centernet') in problem.what


def test_an_editable_install_is_a_copy(monkeypatch, tmp_path):
    monkeypatch.undo()
    metadata = tmp_path / 'mmdet_centernet-0.1.0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Name: mmdet_centernet\nVersion: 0.1.0\n')
    (metadata / 'direct_url.json').write_text(
        f'{{"url": "file://{tmp_path}/a%20b", "dir_info": {{"editable": true}}}}'
    )
    (tmp_path / 'a b/mmdet_centernet').mkdir(parents=True)
    (tmp_path / 'a b/mmdet_centernet/__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert (tmp_path / 'a b/mmdet_centernet').resolve() in inspect_environment().copies


def test_torch_without_cuda_beside_a_driver(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.version, 'cuda', None)
    command = tmp_path / 'nvidia-smi'
    command.touch()
    command.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    has_driver = inspect_environment().has_driver
    assert has_driver
    problem = only_problem(has_driver=has_driver, compiled=False)
    assert 'is a build without CUDA' in problem.what
    assert problem.fix == f'a CUDA build of torch: {GET_TORCH}'
    assert problem.prevents == ('GPU',)
    problem = only_problem(has_driver=has_driver, compiled=True)
    assert '; then pip' in problem.fix
    assert COMPILE in problem.fix


def test_a_gpu_that_torch_does_not_see(monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    problem = only_problem(has_driver=True)
    assert 'built for CUDA 12.6, sees no GPU' in problem.what


@pytest.mark.parametrize(
    ('error', 'words', 'fix'),
    [
        (
            'CUDA error: no kernel image is available for execution on the device',
            'were not compiled for this GPU',
            'a newer torch: https:',
        ),
        (
            'modulated_deform_conv_forward_impl: implementation for device cuda:0 not '
            'found.',
            'was built without CUDA',
            'pip uninstall -y mmcv && pip install "mmcv-lite>=',
        ),
    ],
)
def test_a_gpu_that_does_not_compute(error, words, fix, monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    monkeypatch.setattr(torch.cuda, 'is_available', raising(RuntimeError(error)))
    distribution = installed(mmcv=('mmcv', '2.1.0'))
    problem = only_problem(has_driver=True, compiled=True, installed=distribution)
    assert words in problem.what
    assert problem.fix.startswith(fix)
    assert problem.fix.endswith(pip_build('mmcv==2.1.0'))


def test_operators_for_another_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', lambda: '11.8')
    problem = only_problem(installed=installed(mmcv=('mmcv', '2.1.0')))
    assert problem.what == 'mmcv was built for CUDA 11.8, torch for CUDA 12.6'
    assert problem.fix.startswith('pip uninstall -y mmcv && pip install "mmcv-lite>=')
    assert problem.fix.endswith(pip_build('mmcv==2.1.0'))
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', lambda: '12.1')
    assert is_healthy(examine())


def test_an_old_library(monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmdet_centernet')
    monkeypatch.setattr(sys.modules['mmdet'], '__version__', '3.0.0')
    with pytest.raises(ImportError):
        check_versions()
    problem = only_problem()
    assert problem.what == 'mmdet_centernet needs mmdet>=3.3.0, 3.0.0 is installed'
    assert problem.fix == 'pip install -U "mmdet>=3.3.0"'


def test_a_missing_library(monkeypatch):
    hide(monkeypatch, 'pycocotools')
    problem = only_problem()
    assert problem.what == 'pycocotools is not installed'
    assert problem.fix == 'pip install "pycocotools"'


def test_unknown_errors_are_quoted(monkeypatch):
    error = OSError('libgomp.so: no memory')
    monkeypatch.setattr(pycocotools.mask, 'encode', raising(error))
    problem = only_problem()
    assert 'OSError: libgomp.so: no memory' in problem.what
    assert 'pip install --force-reinstall' in problem.fix


def test_an_incomplete_library_is_installed_again(monkeypatch):
    hide(monkeypatch, 'pycocotools.mask')
    problem = only_problem()
    assert "No module named 'pycocotools.mask'" in problem.what
    assert problem.fix.endswith('--no-cache-dir pycocotools')


def test_a_config_that_cannot_be_read(tmp_path):
    missing = tmp_path / 'missing.py'
    problem = only_problem(configs=[str(missing)])
    assert problem.what.startswith(f'config {missing} cannot be read (FileNotFound')
    assert problem.fix.startswith('correct the path')
    path = tmp_path / 'imports.py'
    path.write_text('custom_imports = dict(imports=["gone"])')
    assert 'PYTHONPATH' in only_problem(configs=[str(path)]).what


def test_a_config_is_no_problem_of_its_own_without_the_plugin(monkeypatch, tmp_path):
    monkeypatch.setitem(probe.STEPS, 'plugin', raising(OSError('no space left')))
    problem = only_problem(configs=[str(tmp_path / 'missing.py')])
    assert problem.what == 'plugin does not work (OSError: no space left)'
    assert problem.fix.endswith(' mmdet_centernet')


def test_no_guess_about_steps_that_did_not_run(monkeypatch):
    """Only a missing driver or library is called missing."""
    error = ImportError('_ext.so: undefined symbol: _ZN3c104cuda9SetDeviceEi')
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', raising(error))
    monkeypatch.setitem(probe.STEPS, 'gpu', raising(error))
    monkeypatch.setattr(torch.version, 'cuda', '12.6')
    findings = examine(compiled=True, has_driver=True)
    steps = {name: step for name, step in findings.steps.items() if name != 'mim'}
    report = write_report(findings._replace(steps=steps))
    assert '  GPU     unknown' in report
    assert '  mim     unknown' in report


def test_a_crash_ends_the_probe():
    lines = ['["numpy", null]', '["numpy", [{"version": "2"}, null, null]]']
    lines.append('["opencv", null]')
    findings = Findings(read_steps(lines, 'Python crashed'), inspect_environment())
    problem, *_ = find_problems(findings)
    assert problem.what == 'opencv does not work (Python crashed)'
    assert not is_possible(findings, 'train')
    assert 'no, see 1' in write_report(findings)


def test_optional_libraries_are_no_problem(monkeypatch):
    hide(monkeypatch, 'onnx', 'onnxruntime', 'mim')
    findings = examine()
    assert is_healthy(findings)
    report = write_report(findings)
    assert 'export  no: pip install onnx onnxruntime' in report
    assert 'mim     no: openmim is not installed' in report


def test_all_steps_exist():
    """All steps of the tables are steps of the probe."""
    needed = {step for steps in diagnosis.TASKS.values() for step in steps}
    built = {step for steps in diagnosis.DEPENDENCIES.values() for step in steps}
    assert needed | built | set(diagnosis.OPTIONAL) <= set(probe.STEPS)


def test_every_step_has_a_library_to_install_again():
    modules = {diagnosis.MODULES.get(step, step) for step in probe.STEPS}
    libraries = 'numpy cv2 torch torchvision pycocotools mmengine mmcv mmdet mim'
    assert modules == {*libraries.split(), 'onnx', 'onnxruntime', 'mmdet_centernet'}
