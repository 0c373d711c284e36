"""The report that the doctor prints."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

from mmdet_centernet_doctor.commands import build_mmcv
from mmdet_centernet_doctor.diagnosis import (
    REQUIRED,
    TASKS,
    Problem,
    find_problems,
    is_possible,
)
from mmdet_centernet_doctor.environment import read_constants
from mmdet_centernet_doctor.findings import Findings

LIBRARIES = ('torch', 'mmdet', 'mmcv', 'mmengine', 'numpy', 'opencv')


def is_healthy(findings: Findings) -> bool:
    """Whether training, testing and DCN work and there is no problem."""
    possible = all(is_possible(findings, task) for task in REQUIRED)
    return possible and not find_problems(findings)


def write_report(findings: Findings) -> str:
    """Describes an environment, its tasks and problems, and the fixes."""
    problems = find_problems(findings)
    answers = (f'  {task:6}  {_answer(findings, problems, task)}' for task in TASKS)
    parts = [_versions(findings), '\n'.join(answers)]
    for number, problem in enumerate(problems, 1):
        # Commands stay on one line, to be copied.
        parts.append(f'{_wrap(f"{number}. ", problem.what)}\n   fix: {problem.fix}')
    parts += _notes(findings)
    healthy = is_healthy(findings)
    parts.append('No problem found.' if healthy else 'Not healthy, see above.')
    return '\n\n'.join(parts)


def _versions(findings: Findings) -> str:
    env = findings.env
    python = '.'.join(map(str, env.python))
    versions = [f'{name} {findings.version(name)}' for name in LIBRARIES]
    folder = env.copies[0] if env.copies else 'nowhere'
    operators = "mmdet_centernet's, in plain torch, for "
    operators += 'all programs' if env.stand_in else 'programs that import it first'
    if not findings.works('operators'):
        operators = 'none that work'
    elif env.compiled:
        operators = "mmcv's, compiled"
    return (
        f'mmdet_centernet {read_constants()["__version__"]} in {folder}\n'
        f'Python {python}, {", ".join(versions)}\nOperators: {operators}'
    )


def _answer(findings: Findings, problems: list[Problem], task: str) -> str:
    """Returns whether a task is possible, and the reason if not."""
    numbers = [str(i) for i, one in enumerate(problems, 1) if task in one.prevents]
    if numbers:
        return f'no, see {", ".join(numbers)}'
    if is_possible(findings, task):
        gpu = findings.steps['gpu'].facts if task == 'GPU' else None
        return 'yes: {name} ({capability})'.format(**gpu) if gpu else 'yes'
    if task == 'GPU' and not findings.env.has_driver:
        return 'no: no NVIDIA driver here'
    if task == 'mim' and findings.is_absent('mim'):
        return 'no: openmim is not installed; it needs an environment of its own'
    missing = [name for name in TASKS[task] if findings.is_absent(name)]
    return f'no: pip install {" ".join(missing)}' if missing else 'unknown'


def _wrap(begin: str, text: str, command: str = '') -> str:
    """Wraps a paragraph; a command follows on a line of its own."""
    wrapped = fill(
        text,
        88,
        initial_indent=begin,
        subsequent_indent=' ' * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f'{wrapped}\n   {command}' if command else wrapped


def _notes(findings: Findings) -> Iterator[str]:
    """Yields what may become a problem."""
    if findings.works('operators') and not findings.env.compiled:
        yield from _notes_on_operators(findings)
    if findings.is_absent('torchvision'):
        yield _wrap(
            'Note: ',
            'torchvision is not installed, so configs that start from torchvision:// '
            'weights do not train. To check your config, add it to the command.',
        )
    if findings.env.broken_pins:
        yield _wrap(
            'Note: ',
            'requirements of openmim are not met, and installing it again would change '
            'this environment; give it one of its own. '
            + '; '.join(findings.env.broken_pins),
        )


def _notes_on_operators(findings: Findings) -> Iterator[str]:
    """Yields the limits of the operators in plain torch."""
    if not findings.env.stand_in:
        yield _wrap(
            'Note: ',
            'programs that import mmdet without mmdet_centernet find no operators: '
            "mmdet's own tools, `mim train mmdet`, a bare DetInferencer. To change "
            'that, write a file beside mmcv:',
            'mmdet_centernet operators install',
        )
    reason, tools = 'some other detectors of mmdet need compiled operators', 'g++'
    if findings.works('gpu'):
        reason += (
            ', and on this GPU DCN is computed by plain torch, or by torchvision if '
            'installed, slower than by compiled operators'
        )
        tools += ' and nvcc'
    yield _wrap(
        'Note: ',
        f'{reason}. To compile them with {tools}, which takes ten minutes or more:',
        build_mmcv(findings.env),
    )
