"""dev/setup_env: messages, steps and interrupted installations."""

import hashlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from helpers.scripts import run
from helpers.tiny import REPO
from helpers.tool_modules import load_tool

setup_env = load_tool('setup_env/__main__.py', folder='dev')
preflight = setup_env.preflight
environment_module = sys.modules['environment']
SetupError, Request = preflight.SetupError, setup_env.Request


def make(*arguments, tmp_path):
    options = dict(cwd=REPO, check=False)
    return run('make', 'env', f'VENV={tmp_path / "venv"}', *arguments, **options)


def test_make_names_a_missing_python(tmp_path):
    message = make('PYTHON=no-such-python', tmp_path=tmp_path)
    assert 'No no-such-python found' in message
    assert 'apt-get install -y python3 python3-venv' in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('version', [(3, 8), (3, 9), (3, 14), (4, 0)])
def test_unsupported_python_without_another(version, monkeypatch):
    monkeypatch.setenv('PATH', '')
    message = preflight.python_problem(version)
    assert 'python{}.{} is not supported'.format(*version) in message
    assert 'python3.10, python3.11, python3.12, python3.13 are' in message
    # The packages of Debian 12, 13 and Ubuntu 22.04, 24.04, for any Python.
    assert 'apt-get install -y python3 python3-venv\n' in message
    assert 'make PYTHON=/usr/bin/python3' in message


def test_unsupported_python_with_another(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    for name in ('python3.10', 'python3.12'):
        (tmp_path / name).touch(0o755)
    message = preflight.python_problem((3, 9))
    assert 'fix: make PYTHON=python3.12' in message
    assert 'apt-get' not in message


@pytest.mark.parametrize('version', [(3, 10), (3, 11), (3, 12), (3, 13)])
def test_supported_python(version):
    assert preflight.python_problem(version) is None
    name = 'torch2.1' if version == (3, 10) else 'runtime'
    assert setup_env.default_set(version) == name
    assert preflight.set_problem(name, version) is None


def test_a_set_has_wheels_for_some_pythons_only():
    message = preflight.set_problem('torch2.1', (3, 12))
    assert 'torch2.1.txt have no wheels for python3.12' in message
    assert 'use python3.10 or python3.11' in message
    assert preflight.set_problem('torch2.1', (3, 11)) is None


def test_python_without_venv(monkeypatch):
    monkeypatch.setattr(preflight, 'find_spec', lambda name: None)
    message = preflight.venv_problem((3, 13))
    assert 'apt-get install -y python3.13-venv' in message


@pytest.mark.parametrize(('user', 'prefix'), [(0, ''), (1000, 'sudo '), (None, '')])
def test_sudo_only_for_users_of_systems_with_root(user, prefix, monkeypatch):
    monkeypatch.delattr('os.geteuid')
    if user is not None:
        monkeypatch.setattr('os.geteuid', lambda: user, raising=False)
    assert preflight.sudo() == prefix


def test_disk_space_is_added_up_per_file_system(tmp_path):
    free = shutil.disk_usage(tmp_path).free / preflight.GIB
    most = int(free * 0.7) + 1
    assert preflight.disk_problem({tmp_path / 'not' / 'yet': 0}) is None
    message = preflight.disk_problem({tmp_path / 'one': most, tmp_path / 'two': most})
    assert f'{2 * most} GiB needed, {free:.1f} free' in message
    assert f'free some of {tmp_path}' in message


def test_all_problems_are_listed_at_once():
    with pytest.raises(SetupError, match='one\nother'):
        preflight.require('one', None, 'other')
    preflight.require(None, None)


def test_python_of_an_environment(tmp_path):
    python_of = environment_module.python_of
    assert python_of(tmp_path, 'posix') == tmp_path / 'bin' / 'python'
    assert python_of(tmp_path, 'nt') == tmp_path / 'Scripts' / 'python.exe'


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(SetupError, match='was not made by'):
        setup_env.Environment(tmp_path).create()
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


@pytest.fixture
def environment(tmp_path):
    """An environment with one complete step; its Python is this one."""
    environment = setup_env.Environment(tmp_path / 'venv')
    (environment.folder / '.setup').mkdir(parents=True)
    environment.python.parent.mkdir()
    environment.python.symlink_to(sys.executable)
    environment.set_stamp('runtime', 'key')
    return environment


def test_an_interruption_invalidates_stamps(environment):
    assert environment.stamp('runtime') == 'key'
    assert environment.stamp('plugin') is None
    with pytest.raises(KeyboardInterrupt), environment.changing():
        raise KeyboardInterrupt
    assert environment.stamp('runtime') is None


def test_a_missing_python_invalidates_stamps(environment):
    environment.python.unlink()
    environment.python.symlink_to('/no/such/python')
    assert environment.stamp('runtime') is None


@pytest.mark.slow
def test_an_interrupted_environment_starts_over(environment):
    (environment.folder / 'half').mkdir()
    environment._unfinished.touch()
    environment.create()
    assert not (environment.folder / 'half').exists()
    assert environment.stamp('runtime') is None
    environment.run('-c', 'import pip')
    environment.set_stamp('venv', 'key')
    assert environment.stamp('venv') == 'key'


def test_a_change_invalidates_its_step_and_later_ones():
    def keys(*contents):
        names = ('one', 'two', 'three')
        steps = map(setup_env.Step, names, contents, [None] * 3)
        return setup_env.stamp_keys(list(steps))

    before, after = keys('a', 'b', 'c'), keys('a', 'x', 'c')
    assert [before[name] == after[name] for name in before] == [True, False, False]


def test_complete_steps_are_skipped(environment, monkeypatch):
    wanted = Request(setup_env.default_set(sys.version_info[:2]), dev=True)
    steps = setup_env.plan(environment, wanted)
    for name, key in setup_env.stamp_keys(steps).items():
        environment.set_stamp(name, key)

    def started(*arguments):
        raise SetupError('something is to be done')

    monkeypatch.setattr(setup_env, '_check_machine', started)
    setup_env.set_up(environment, wanted)
    setup_env.set_up(environment, wanted._replace(dev=False))
    with pytest.raises(SetupError, match='to be done'):
        setup_env.set_up(environment, wanted._replace(mmcv='onedl'))


@pytest.mark.parametrize(
    ('mmcv', 'names'),
    [
        ('lite', ['plugin', 'operators']),
        ('compiled', ['compiled mmcv', 'plugin']),
        ('onedl', ['onedl.txt', 'plugin', 'operators']),
    ],
)
def test_steps_that_provide_operators(environment, mmcv, names):
    steps = setup_env.plan(environment, Request('runtime', mmcv))
    assert [step.name for step in steps] == ['venv', 'runtime', *names]


@pytest.mark.parametrize('other', [dict(mmcv='compiled'), dict(pins='torch2.1')])
def test_another_set_starts_over(environment, other):
    wanted = Request('runtime')
    first, changed = (
        setup_env.plan(environment, request)[0]
        for request in (wanted, wanted._replace(**other))
    )
    assert first.name == changed.name == 'venv'
    assert first.content != changed.content


def test_operators_are_installed_into_the_environment(environment, tmp_path):
    environment.python.unlink()
    environment.python.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    environment.python.chmod(0o755)
    (step,) = (
        step
        for step in setup_env.plan(environment, Request('runtime'))
        if step.name == 'operators'
    )
    step.run()
    called = (tmp_path / 'called').read_text()
    assert called == '-m mmdet_centernet_operators install\n'


OTHER = hashlib.sha256(b'another file').hexdigest()


@pytest.mark.parametrize(
    ('locked', 'message'),
    [
        (f' --hash=sha256:{OTHER}', 'DO NOT MATCH THE HASHES'),
        ('', 'Hashes are required'),
    ],
)
def test_only_files_with_a_locked_hash_are_installed(
    environment, tmp_path, capfd, locked, message
):
    package = tmp_path / 'thing-1.0-py3-none-any.whl'
    with zipfile.ZipFile(package, 'w') as archive:
        archive.writestr('thing.py', '')
    with pytest.raises(subprocess.CalledProcessError):
        environment.install_locked([f'{package}{locked}'])
    assert message in capfd.readouterr().err
