"""Creates or updates the virtual environment for this project.

Usage: python dev/setup_env [--venv .venv] [--dev] [--mmcv compiled] [--pins torch2.1]

Needs only Python itself. Steps that are up to date are skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import preflight
from environment import Environment
from pins import REQUIREMENTS, SETS, default_set, read_requirements, text_of
from preflight import SetupError

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = 'mmdet_centernet_operators'
"""Replaces the compiled operators of mmcv."""
REPLACED = {
    'lite': (),
    'compiled': ('mmcv-lite',),
    'onedl': ('mmcv-lite', 'mmdet', 'mmengine'),
}
"""Pinned packages that are replaced by a compiled mmcv or by forks."""


class Request(NamedTuple):
    """What to install.

    Attributes:
        pins: Name of the pinned set.
        mmcv: A key of `REPLACED`.
        dev: Whether to include the packages for tests, lint and docs.
    """

    pins: str
    mmcv: str = 'lite'
    dev: bool = False


class Step(NamedTuple):
    """An installation step; it is repeated when its content changes."""

    name: str
    content: str
    run: Callable[[], None]


def main() -> None:
    """Command line."""
    # Keeps the order of lines when the output goes to a file or a pipe.
    sys.stdout.reconfigure(line_buffering=True)
    args = _parse_args()
    try:
        preflight.require(preflight.python_problem(sys.version_info[:2]))
        pins = args.pins or default_set(sys.version_info[:2])
        set_up(Environment(args.venv), Request(pins, args.mmcv, args.dev))
    except SetupError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        name = ' '.join(map(str, error.cmd[1:5]))
        sys.exit(f'`{name} ...` failed, see above. Fix it and run make again.')
    except KeyboardInterrupt:
        sys.exit('\nInterrupted. Run make again: downloads are kept.')


def set_up(environment: Environment, request: Request) -> None:
    """Runs the steps that are not up to date.

    Raises:
        SetupError: If something is missing; the message says how to fix it.
    """
    steps = plan(environment, request)
    keys = stamp_keys(steps)
    due = [step for step in steps if environment.stamp(step.name) != keys[step.name]]
    if due:
        _check_machine({step.name for step in due}, environment.folder, request)
    for number, step in enumerate(due, start=1):
        print(f'[{number}/{len(due)}] {step.name}')
        step.run()
        environment.set_stamp(step.name, keys[step.name])
    if due:
        print(f'Ready: {environment.folder}')


def plan(environment: Environment, request: Request) -> list[Step]:
    """Returns the steps in order."""
    pinned = SETS[request.pins]
    made_of = (sys.version_info[:2], request.pins, request.mmcv, environment.folder)
    steps = [
        Step('venv', str(made_of), environment.create),
        Step(
            'runtime',
            text_of(pinned.lock),
            lambda: _install_runtime(environment, request),
        ),
        *_openmmlab_steps(environment, request.mmcv),
        _plugin_step(environment),
    ]
    if request.mmcv != 'compiled':
        # So that mmdet's own tools find operators as well.
        run = lambda: environment.run('-m', OPERATORS, 'install')  # noqa: E731
        steps.append(Step('operators', '', run))
    if request.dev:
        steps += [_list_step(environment, name) for name in pinned.dev]
    return steps


def stamp_keys(steps: list[Step]) -> dict[str, str]:
    """Returns a hash per step; it covers the earlier steps, which may affect it."""
    keys, key = {}, ''
    for step in steps:
        key = hashlib.sha256((key + step.content).encode()).hexdigest()
        keys[step.name] = key
    return keys


def _openmmlab_steps(environment: Environment, mmcv: str) -> list[Step]:
    """Returns the steps that install the packages in place of `REPLACED`."""
    if mmcv == 'onedl':
        # A cached wheel may have operators for another torch.
        return [_list_step(environment, 'onedl.txt', '--no-cache-dir')]
    if mmcv == 'compiled':
        tool = [sys.executable, ROOT / 'dev/compiled_mmcv', '--python']
        run = lambda: subprocess.run([*tool, environment.python], check=True)  # noqa: E731
        content = text_of('mmcv-source.txt') + text_of('mmcv-build.txt')
        return [Step('compiled mmcv', content, run)]
    return []


def _plugin_step(environment: Environment) -> Step:
    """Returns the step that installs this checkout in editable mode."""
    content = [(ROOT / name).read_text() for name in ('pyproject.toml', 'setup.py')]
    options = ('--no-deps', '--no-build-isolation', '--editable', ROOT)
    return Step(
        'plugin', ''.join([str(ROOT), *content]), lambda: environment.install(*options)
    )


def _list_step(environment: Environment, name: str, *options: str) -> Step:
    """Returns a step that installs a list of requirements without dependencies."""
    arguments = ('--no-deps', *options, '-r', REQUIREMENTS / name)
    return Step(name, text_of(name), lambda: environment.install(*arguments))


def _install_runtime(environment: Environment, request: Request) -> None:
    """Installs the locked packages, then torch with its remaining dependencies.

    The builds of torch for CPU and CUDA have different files and dependencies, so torch
    is not checked against the lock.
    """
    packages = read_requirements(SETS[request.pins].lock)
    torch = packages.pop('torch').split()[0]
    for name in REPLACED[request.mmcv]:
        packages.pop(name)
    environment.install_locked(packages.values())
    constraints = environment.folder / 'constraints.txt'
    constraints.write_text('\n'.join(line.split()[0] for line in packages.values()))
    environment.install(torch, '-c', constraints)


def _check_machine(due: set[str], venv: Path, request: Request) -> None:
    """Raises if the machine lacks something for the steps that are due."""
    version = sys.version_info[:2]
    preflight.require(preflight.set_problem(request.pins, version))
    if 'venv' in due:
        preflight.require(
            preflight.venv_problem(version),
            preflight.disk_problem(preflight.disk_needs(venv)),
        )


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='setup_env', description=__doc__)
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv')
    parser.add_argument('--pins', choices=SETS, help='default: the set for this Python')
    parser.add_argument('--mmcv', choices=REPLACED, default='lite')
    parser.add_argument('--dev', action='store_true', help='for tests, lint, docs')
    return parser.parse_args()


if __name__ == '__main__':
    main()
