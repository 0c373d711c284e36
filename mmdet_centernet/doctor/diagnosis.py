"""What can be done here, and what stands in the way?"""

from __future__ import annotations

from typing import NamedTuple

from mmdet_centernet.doctor.causes import (
    DISTRIBUTIONS,
    GET_TORCH,
    bounded,
    find_cause,
    requirement,
)
from mmdet_centernet.doctor.findings import Findings
from mmdet_centernet.doctor.mmcv_commands import mmcv_commands
from mmdet_centernet.doctor.probe import STEPS

_BASE = ('numpy', 'opencv', 'torch', 'torch_numpy', 'pycocotools', 'mmengine')
_TRAIN = (*_BASE, 'config_bases', 'mmcv', 'operators', 'mmdet', 'models', 'plugin')
TASKS = {
    'train': _TRAIN,
    'test': (*_TRAIN, 'checkpoint'),
    'DCN': (*_TRAIN, 'dcn'),
    'export': (*_TRAIN, 'onnx', 'onnxruntime'),
    'GPU': ('torch', 'gpu'),
    'mim': ('config_bases', 'mim'),
}
"""What the package is used for, and the steps that have to go well for it."""
REQUIRED = ('train', 'test', 'DCN')
BUILT_UPON = dict(
    opencv=('numpy',),
    torch_numpy=('numpy', 'torch'),
    pycocotools=('numpy',),
    mmengine=_BASE[:4],
    config_bases=('mmengine',),
    mmcv=('mmengine',),
    operators=('mmcv',),
    mmdet=('mmcv',),
    models=('operators', 'mmdet', 'pycocotools'),
    plugin=('models', 'config_bases', 'torch_numpy'),
    checkpoint=('plugin',),
    dcn=('operators',),
    gpu=('torch', 'operators'),
    torchvision=('torch',),
)
"""A step fails with those that it is built upon, and is not to blame then."""
OPTIONAL = ('gpu', 'torchvision', 'onnx', 'onnxruntime', 'mim')
"""Steps that may find nothing: that hinders a task but is no trouble."""


class Trouble(NamedTuple):
    """Something that is wrong.

    Attributes:
        what: In words.
        mend: The command that ends it.
        hinders: The tasks that are not possible with it.
    """

    what: str
    mend: str
    hinders: tuple[str, ...] = ()


def find_troubles(findings: Findings) -> list[Trouble]:
    """All that is wrong, the deepest cause first."""
    found: list[Trouble | None] = [
        *(_failure(findings, name) for name in _to_blame(findings)),
        _gpu_without_cuda(findings),
        _cuda_mismatch(findings),
        _shadowed(findings),
        _mim_on_new_python(findings),
        *_missing_weights(findings),
    ]
    return _merge([trouble for trouble in found if trouble])


def is_possible(findings: Findings, task: str) -> bool:
    """Whether all steps that a task needs went well."""
    return findings.works(*TASKS[task])


def _to_blame(findings: Findings) -> list[str]:
    """Steps that failed though all that they are built upon went well."""
    return [
        name
        for name, step in findings.steps.items()
        if step.error is not None
        and findings.works(*BUILT_UPON.get(name, ()))
        and not _finds_nothing(findings, name)
    ]


def _finds_nothing(findings: Findings, name: str) -> bool:
    """Whether a step failed because what it looks for is not there."""
    if name == 'gpu':
        return not (findings.around.has_driver and findings.fact('torch', 'cuda'))
    return name in OPTIONAL and findings.is_absent(name)


def _failure(findings: Findings, name: str) -> Trouble:
    """The trouble behind a step that failed."""
    error = str(findings.steps[name].error).strip()
    cause, groups = find_cause(name, error)
    words = _vocabulary(findings, name, error.splitlines()[-1])
    mmcv, _ = findings.around.installed.get('mmcv', ('', ''))
    words |= groups | dict(
        requirement=requirement(groups.get('module', name)),
        bounded=bounded(groups, mmcv),
    )
    return Trouble(
        cause.what.format(**words), cause.mend.format(**words), _hindered(name)
    )


def _vocabulary(findings: Findings, name: str, error: str) -> dict[str, str]:
    """What a known cause may speak of."""
    around = findings.around
    versions = {step: findings.version(step) for step in STEPS}
    installed = around.installed
    dist, version = installed.get(_module(name), (DISTRIBUTIONS.get(name, name), '?'))
    return versions | dict(
        step=name,
        error=error,
        distribution=dist,
        version=version,
        python='.'.join(map(str, around.python)),
        setuptools=installed.get('setuptools', ('', '?'))[1],
        cuda=findings.fact('torch', 'cuda'),
        **mmcv_commands(around),
    )


def _module(step: str) -> str:
    """The module that a step is about."""
    return dict(opencv='cv2', torch_numpy='torch', dcn='mmcv', operators='mmcv').get(
        step, step
    )


def _hindered(step: str) -> tuple[str, ...]:
    """Tasks that need a step."""
    return tuple(task for task, steps in TASKS.items() if step in steps)


def _gpu_without_cuda(findings: Findings) -> Trouble | None:
    has_cuda = findings.fact('torch', 'cuda')
    if has_cuda or not findings.around.has_driver or not findings.works('torch'):
        return None
    again = mmcv_commands(findings.around)['mmcv_again']
    return Trouble(
        f'torch {findings.version("torch")} is a build without CUDA, though there is '
        'an NVIDIA driver',
        f'a CUDA build of torch: {GET_TORCH}{again}',
        ('GPU',),
    )


def _cuda_mismatch(findings: Findings) -> Trouble | None:
    ours, theirs = (findings.fact(name, 'cuda') for name in ('torch', 'operators'))
    # mmcv says "not available" where it was built without CUDA; then it runs on a CPU.
    if not ours or not theirs[:1].isdigit() or _major(ours) == _major(theirs):
        return None
    return Trouble(
        f'mmcv was built for CUDA {theirs}, torch for CUDA {ours}',
        '{mmcv_lite}, for mmdet_centernet brings its own; or compile them again, with '
        'FORCE_CUDA=1 set and the nvcc of that CUDA in the PATH: {build_mmcv}'.format(
            **mmcv_commands(findings.around)
        ),
        ('GPU',),
    )


def _major(version: str) -> str:
    return version.split('.')[0]


def _shadowed(findings: Findings) -> Trouble | None:
    used, *others = findings.around.copies or (None,)
    if not others:
        return None
    return Trouble(
        f'{used} is imported and hides another copy: {", ".join(map(str, others))}',
        'pip uninstall -y mmdet_centernet, or run from another folder and without '
        'PYTHONPATH, so that one copy is left',
    )


def _mim_on_new_python(findings: Findings) -> Trouble | None:
    if 'openxlab' not in findings.around.installed or findings.around.python < (3, 12):
        return None
    return Trouble(
        'openmim pins setuptools 60, which does not run on Python 3.12 or newer',
        'pip uninstall -y openmim opendatalab openxlab && pip install -U '
        '"setuptools>=66.1,<81", and train without mim: mmdet_centernet train CONFIG',
        ('mim',),
    )


def _missing_weights(findings: Findings) -> list[Trouble]:
    """Configs that ask torchvision for an address, where there is no torchvision."""
    torch = findings.version('torch').split('+')[0]
    return [
        Trouble(
            f'{name} starts from {", ".join(step.facts["weights"])}, whose address '
            'torchvision knows, and there is no torchvision',
            f'pip install torchvision "torch=={torch}"',
            ('train',),
        )
        for name, step in findings.steps.items()
        if step.facts.get('weights') and findings.is_absent('torchvision')
    ]


def _merge(troubles: list[Trouble]) -> list[Trouble]:
    """Say a trouble that several steps have once."""
    merged: dict[tuple[str, str], Trouble] = {}
    for what, mend, hinders in troubles:
        known = merged.get((what, mend), Trouble(what, mend)).hinders
        hinders = tuple(task for task in TASKS if task in known + hinders)
        merged[what, mend] = Trouble(what, mend, hinders)
    return list(merged.values())
