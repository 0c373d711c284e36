"""Which tasks are possible in an environment, and what prevents the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mmdet_centernet_doctor.causes import OWN_OPERATORS, find_cause
from mmdet_centernet_doctor.commands import (
    GET_TORCH,
    PIP_NAMES,
    install_bounded,
    mmcv_commands,
    requirement,
)
from mmdet_centernet_doctor.findings import Findings
from mmdet_centernet_doctor.probe import STEPS

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
"""Task to the steps that it needs."""
REQUIRED = ('train', 'test', 'DCN')
DEPENDENCIES = dict(
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
"""Dependencies: a step that fails together with one is not a problem of its own."""
OPTIONAL = ('gpu', 'torchvision', 'onnx', 'onnxruntime', 'mim')
"""An absent library or GPU prevents a task, but is not a problem."""
MODULES = dict(
    opencv='cv2',
    torch_numpy='torch',
    config_bases='mmengine',
    operators='mmcv',
    models='mmdet',
    plugin='mmdet_centernet',
    checkpoint='mmengine',
    dcn='mmcv',
    gpu='torch',
)
"""Step to its module, where the names differ."""


class Problem(NamedTuple):
    """A problem of the environment."""

    what: str
    fix: str
    prevents: tuple[str, ...] = ()  # tasks


def find_problems(findings: Findings) -> list[Problem]:
    """Returns all problems; causes come before their consequences."""
    merged: dict[tuple[str, str], tuple[str, ...]] = {}
    # Several steps can fail for one cause.
    for what, fix, prevents in (*_failed_steps(findings), *_other_problems(findings)):
        merged[what, fix] = merged.get((what, fix), ()) + prevents
    return [
        Problem(*problem, tuple(task for task in TASKS if task in prevents))
        for problem, prevents in merged.items()
    ]


def is_possible(findings: Findings, task: str) -> bool:
    """Whether all steps that a task needs work."""
    return findings.works(*TASKS[task])


def _failed_steps(findings: Findings) -> Iterator[Problem]:
    for name, step in findings.steps.items():
        if step.error is None or not findings.works(*_dependencies(name)):
            continue
        if not _is_legitimate(findings, name):
            yield _explain(findings, name, step.error.strip())


def _dependencies(name: str) -> tuple[str, ...]:
    return ('plugin',) if name.startswith('config ') else DEPENDENCIES.get(name, ())


def _is_legitimate(findings: Findings, name: str) -> bool:
    """Whether a step failed only because something optional is absent."""
    if name == 'gpu':
        return not (findings.env.has_driver and findings.fact('torch', 'cuda'))
    return name in OPTIONAL and findings.is_absent(name)


def _explain(findings: Findings, name: str, error: str) -> Problem:
    """Describes why a step failed."""
    cause, groups = find_cause(name, error)
    env, module = findings.env, MODULES.get(name, name)
    fallback = (PIP_NAMES.get(module, module), '?')
    distribution, version = env.installed.get(module, fallback)
    words = {step: findings.version(step) for step in STEPS} | dict(
        step=name,
        error=error.splitlines()[-1],
        distribution=distribution,
        version=version,
        python='.'.join(map(str, env.python)),
        setuptools=env.installed.get('setuptools', ('', '?'))[1],
        cuda=findings.fact('torch', 'cuda'),
        requirement=requirement(groups.get('module', name)),
        bounded=install_bounded(env, groups.get('name'), groups.get('versions', '')),
        **mmcv_commands(env),
    )
    words |= groups
    prevents = tuple(task for task, steps in TASKS.items() if name in steps)
    return Problem(cause.what.format(**words), cause.fix.format(**words), prevents)


def _cuda_problems(findings: Findings) -> Iterator[Problem]:
    commands = mmcv_commands(findings.env)
    torch, mmcv = (findings.fact(name, 'cuda') for name in ('torch', 'operators'))
    if findings.works('torch') and findings.env.has_driver and not torch:
        yield Problem(
            f'torch {findings.version("torch")} is a build without CUDA, though there '
            'is an NVIDIA driver',
            f'a CUDA build of torch: {GET_TORCH}{commands["mmcv_again"]}',
            ('GPU',),
        )
    # "not available" for an mmcv without CUDA, which runs on the CPU.
    if torch and mmcv[:1].isdigit() and _major(torch) != _major(mmcv):
        fix = (
            f'{OWN_OPERATORS}; or compile them again, with FORCE_CUDA=1 set and the '
            'nvcc of that CUDA in the PATH: {build_mmcv}'
        )
        yield Problem(
            f'mmcv was built for CUDA {mmcv}, torch for CUDA {torch}',
            fix.format(**commands),
            ('GPU',),
        )


def _major(version: str) -> str:
    return version.split('.')[0]


def _other_problems(findings: Findings) -> Iterator[Problem]:
    """Yields problems that make no step fail."""
    env = findings.env
    yield from _cuda_problems(findings)
    used, *others = env.copies or (None,)
    if others:
        yield Problem(
            f'{used} is imported and hides another copy: {", ".join(map(str, others))}',
            'pip uninstall -y mmdet_centernet, or run from another folder and without '
            'PYTHONPATH, so that one copy is left',
        )
    if 'openxlab' in env.installed and env.python >= (3, 12):
        yield Problem(
            'openmim pins setuptools 60, which does not run on Python 3.12 or newer',
            'pip uninstall -y openmim opendatalab openxlab && pip install -U '
            '"setuptools>=66.1,<81", and train without mim: '
            'mmdet_centernet train CONFIG',
            ('mim',),
        )
    torch = findings.version('torch').split('+')[0]
    for name, step in findings.steps.items():
        if step.facts.get('weights') and findings.is_absent('torchvision'):
            yield Problem(
                f'{name} starts from {", ".join(step.facts["weights"])}; only '
                'torchvision, which is not installed, knows the address',
                f'pip install torchvision "torch=={torch}"',
                ('train',),
            )
