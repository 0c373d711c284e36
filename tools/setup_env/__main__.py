"""Make the environment in which everything of this project runs.

Usage: python tools/setup_env --venv .venv [--torch VERSION] [--dev]

It needs nothing but a bare Python, and does only what is not yet done.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mmcv_wheel
import preflight
from environment import Environment
from preflight import SetupError

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / 'requirements' / 'lock.txt'
"""The packages of runtime.txt with the hashes of their files; made by `make lock`."""
BUILT_APART = ('torch', 'mmcv')
"""Packages of runtime.txt that ask for more than a plain installation."""


class Step(NamedTuple):
    """Something to install, and all that decides whether it must be done again."""

    name: str
    content: str
    run: Callable[[], None]


def main() -> None:
    """Bring the environment up to date."""
    args = _parse_args()
    # In a file or a pipe, too, lines shall stand in the order in which they are said.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        set_up(args.venv, args.torch, dev=args.dev)
    except SetupError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        name = ' '.join(map(str, error.cmd[1:5]))
        sys.exit(f'`{name} ...` failed, see above. Mend it and call make again.')
    except KeyboardInterrupt:
        sys.exit('\nInterrupted. Call make again: downloads and built wheels are kept.')


def set_up(venv: Path, torch: str | None, *, dev: bool) -> None:
    """Do what is not yet done.

    Args:
        venv: Folder of the environment.
        torch: Version of torch instead of the tested one.
        dev: Whether to install what tests, lint and the site of the docs need, too.

    Raises:
        SetupError: If something is missing; the message says how to mend it.
    """
    preflight.require(preflight.python_problem(sys.version_info[:2]))
    pins = read_pins(ROOT / 'requirements' / 'runtime.txt')
    if torch:
        pins['torch'] = torch
    environment = Environment(venv)
    steps = plan(environment, pins, dev=dev)
    keys = stamp_keys(steps)
    due = [step for step in steps if environment.stamp(step.name) != keys[step.name]]
    if due:
        _check_machine({step.name for step in due}, environment.folder, pins)
        for step in due:
            step.run()
            environment.set_stamp(step.name, keys[step.name])
        print(f'Ready: {environment.folder}')


def plan(environment: Environment, pins: dict[str, str], *, dev: bool) -> list[Step]:
    """List the steps in their order.

    Args:
        environment: What they change.
        pins: Package to version.
        dev: Whether tests and lint will run in it, and the site be built.
    """
    runtime = [f'{name}=={version}' for name, version in pins.items()]
    metadata = [ROOT / name for name in ('pyproject.toml', 'setup.py')]
    steps = [
        Step(
            'venv', f'{sys.version_info[:2]} {environment.folder}', environment.create
        ),
        Step(
            'runtime',
            str(runtime) + LOCK.read_text(),
            lambda: _install_runtime(environment, pins),
        ),
        Step('mmcv', '', lambda: _install_mmcv(environment, pins['mmcv'])),
        Step(
            'plugin',
            str(ROOT) + ''.join(path.read_text() for path in metadata),
            lambda: environment.install(
                '--no-deps', '--no-build-isolation', '--editable', ROOT
            ),
        ),
    ]
    if dev:
        steps += [_list_step(environment, name) for name in ('dev', 'docs')]
    return steps


def _list_step(environment: Environment, name: str) -> Step:
    """Install what a list of requirements names, and nothing else."""
    path = ROOT / 'requirements' / f'{name}.txt'
    run = lambda: environment.install('--no-deps', '-r', path)  # noqa: E731
    return Step(name, path.read_text(), run)


def stamp_keys(steps: list[Step]) -> dict[str, str]:
    """Condense what each step does, and all before it, since that may change it."""
    keys, key = {}, ''
    for step in steps:
        key = hashlib.sha256((key + step.content).encode()).hexdigest()
        keys[step.name] = key
    return keys


def read_pins(path: Path) -> dict[str, str]:
    """Read `name==version` lines; blank lines and comments are skipped."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split('==') for line in lines if line and line[0] != '#')


def read_locked(path: Path) -> dict[str, str]:
    """Read the requirement of each package, with the hashes of its files."""
    lines = path.read_text().replace('\\\n', '').splitlines()
    return {
        line.partition('==')[0]: line for line in lines if line[:1] not in ('', '#')
    }


def _install_runtime(environment: Environment, pins: dict[str, str]) -> None:
    """Install what is listed, then torch with what else its build depends on.

    Of torch there is a build for every kind of machine, each with companions of its
    own, so its files alone are not compared with the lock.
    """
    locked = read_locked(LOCK)
    others = [name for name in pins if name not in BUILT_APART]
    environment.install_locked(locked[name] for name in others)
    constraints = environment.folder / 'constraints.txt'
    constraints.write_text('\n'.join(f'{name}=={pins[name]}' for name in others))
    environment.install(f'torch=={pins["torch"]}', '-c', constraints)


def _install_mmcv(environment: Environment, version: str) -> None:
    """Install mmcv with operators, from the user's cache where it has them."""
    torch = environment.output(
        'from importlib.metadata import version; print(version("torch"))'
    )
    folder = mmcv_wheel.wheel_folder(torch)
    wheel = mmcv_wheel.cached_wheel(folder, version)
    if wheel:
        print(f'mmcv {version} comes from {wheel}')
    else:
        mmcv = read_locked(LOCK)['mmcv']
        wheel = mmcv_wheel.build_wheel(environment.python, mmcv, folder)
    environment.install('--no-deps', '--force-reinstall', wheel)
    try:
        environment.output('import mmcv.ops')
    except subprocess.CalledProcessError as error:
        wheel.unlink()
        raise SetupError(
            f'{error.stderr}\nThe wheel does not fit torch {torch} and was removed. '
            'Call make again: it will be compiled anew.'
        ) from error


def _check_machine(due: set[str], venv: Path, pins: dict[str, str]) -> None:
    """Say what the machine lacks for the steps that are due, before any is done."""
    problems = []
    cache = mmcv_wheel.cache_root()
    if 'runtime' in due:
        problems.append(preflight.venv_problem())
        problems.append(preflight.disk_problem(preflight.disk_needs(venv, cache)))
    # The full version of torch is known only once it is installed: 2.13.0+cpu, say.
    folders = cache.glob(f'{pins["torch"]}*-{sys.implementation.cache_tag}')
    built = any(mmcv_wheel.cached_wheel(path, pins['mmcv']) for path in folders)
    if 'mmcv' in due and not built:
        problems += preflight.build_problems()
    preflight.require(*problems)


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='setup_env', description=__doc__)
    parser.add_argument('--venv', type=Path, required=True)
    parser.add_argument('--torch', help='another version than the tested one')
    parser.add_argument('--dev', action='store_true', help='for tests, lint, docs, too')
    return parser.parse_args()


if __name__ == '__main__':
    main()
