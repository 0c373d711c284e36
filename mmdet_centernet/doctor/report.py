"""One screen that says how an environment is."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from mmdet_centernet.doctor.diagnosis import (
    REQUIRED,
    TASKS,
    Trouble,
    find_troubles,
    is_possible,
)
from mmdet_centernet.doctor.findings import Findings
from mmdet_centernet.doctor.mmcv_commands import mmcv_commands
from mmdet_centernet.version import __version__

WIDTH = 88
LIBRARIES = ('torch', 'mmdet', 'mmcv', 'mmengine', 'numpy', 'opencv')


def is_healthy(findings: Findings) -> bool:
    """Whether one can train, test and use DCN, and nothing is wrong."""
    possible = all(is_possible(findings, task) for task in REQUIRED)
    return possible and not find_troubles(findings)


def write_report(findings: Findings) -> str:
    """Describe an environment, what it can do and what mends it."""
    troubles = find_troubles(findings)
    parts = [_versions(findings), _tasks(findings, troubles)]
    for number, trouble in enumerate(troubles, 1):
        what = _paragraph(f'{number}. ', trouble.what)
        # A command stays on one line, so that it can be copied.
        parts.append(f'{what}\n   mend: {trouble.mend}')
    parts += _notes(findings)
    parts.append(
        'No trouble found.' if is_healthy(findings) else 'Not healthy, see above.'
    )
    return '\n\n'.join(parts)


def _versions(findings: Findings) -> str:
    around = findings.around
    python = '.'.join(map(str, around.python))
    versions = [f'{name} {findings.version(name)}' for name in LIBRARIES]
    folder = around.copies[0] if around.copies else 'nowhere'
    return (
        f'mmdet_centernet {__version__} in {folder}\n'
        f'Python {python}, {", ".join(versions)}\n'
        f'Operators: {_operators(findings)}'
    )


def _operators(findings: Findings) -> str:
    """Whose operators mmcv uses."""
    if not findings.works('operators'):
        return 'none that work'
    if findings.around.compiled:
        return "mmcv's, compiled"
    if findings.around.for_all:
        return "mmdet_centernet's, in plain torch, for every program"
    return "mmdet_centernet's, in plain torch, for programs that import it first"


def _tasks(findings: Findings, troubles: list[Trouble]) -> str:
    width = max(map(len, TASKS))
    return '\n'.join(
        f'  {task:{width}}  {_answer(findings, troubles, task)}' for task in TASKS
    )


def _answer(findings: Findings, troubles: list[Trouble], task: str) -> str:
    """Whether a task is possible, and if not, why."""
    numbers = [str(i) for i, found in enumerate(troubles, 1) if task in found.hinders]
    if numbers:
        return f'no, see {", ".join(numbers)}'
    if is_possible(findings, task):
        return f'yes: {_gpu_name(findings)}' if task == 'GPU' else 'yes'
    if task == 'GPU':
        return 'no: no NVIDIA driver here'
    if task == 'mim':
        return 'no: openmim is not installed; it wants an environment of its own'
    missing = [name for name in TASKS[task] if findings.is_absent(name)]
    return f'no: pip install {" ".join(missing)}' if missing else 'not known'


def _gpu_name(findings: Findings) -> str:
    return '{name} ({capability})'.format(**findings.steps['gpu'].facts)


def _paragraph(begin: str, text: str) -> str:
    indent = ' ' * len(begin)
    return fill(
        text,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _notes(findings: Findings) -> list[str]:
    """What is no trouble yet."""
    stands_in = findings.works('operators') and not findings.around.compiled
    notes = [*_notes_on_operators(findings)] if stands_in else []
    if findings.is_absent('torchvision'):
        notes.append(
            _note(
                'there is no torchvision, so configs that start from torchvision:// '
                'weights do not train; name yours behind the command to have it looked '
                'at'
            )
        )
    if findings.around.broken_pins:
        notes.append(
            _note(
                'openmim does not get what it asks for, and installing it again would '
                'change this environment; give it one of its own. '
                + '; '.join(findings.around.broken_pins)
            )
        )
    return notes


def _notes_on_operators(findings: Findings) -> Iterator[str]:
    """What the operators in plain torch cannot do as they are."""
    if not findings.around.for_all:
        yield _note(
            "what imports mmdet without mmdet_centernet finds no operators: mmdet's "
            'own tools, `mim train mmdet`, a bare DetInferencer. A file beside mmcv '
            'ends that:',
            'mmdet_centernet operators install',
        )
    reason, tools = 'some other detectors of mmdet need compiled operators', 'g++'
    if findings.works('gpu'):
        reason += (
            ', and on this GPU DCN is computed by plain torch, or by torchvision where '
            'there is one, slower than by compiled operators'
        )
        tools += ' and nvcc'
    yield _note(
        f'{reason}. This compiles them with {tools}, in ten minutes and more:',
        mmcv_commands(findings.around)['build_mmcv'],
    )


def _note(text: str, command: str = '') -> str:
    note = _paragraph('Note: ', text)
    return f'{note}\n   {command}' if command else note
