"""The environment's making: what it says when it can't, and what it leaves behind."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from scripts import run
from tiny import REPO
from tool_modules import load_tool

setup_env = load_tool('setup_env/__main__.py')
preflight, mmcv_wheel = setup_env.preflight, setup_env.mmcv_wheel
SetupError = preflight.SetupError

needs_tested_python = pytest.mark.skipif(
    sys.version_info[:2] != preflight.TESTED_PYTHON,
    reason='the environment is made with the tested Python only',
)


def make(*arguments, tmp_path, **env):
    return run(
        'make',
        'env',
        f'VENV={tmp_path / "venv"}',
        *arguments,
        cwd=REPO,
        check=False,
        XDG_CACHE_HOME=str(tmp_path / 'cache'),
        **env,
    )


@needs_tested_python
def test_make_names_a_missing_compiler_before_it_writes_anything(tmp_path):
    said = make(f'PYTHON={sys.executable}', tmp_path=tmp_path, CXX='no-such-compiler')
    assert 'No C++ compiler (no-such-compiler)' in said
    assert 'apt-get install -y g++' in said
    assert list(tmp_path.iterdir()) == []


def test_make_names_a_missing_python(tmp_path):
    said = make('PYTHON=no-such-python', tmp_path=tmp_path)
    assert 'apt-get install -y python3.11' in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('version', [(3, 8), (3, 10), (3, 12), (4, 0)])
def test_unsupported_python(version):
    said = preflight.python_problem(version)
    assert 'Python {}.{} is not supported'.format(*version) in said
    assert 'python3.11-venv' in said
    assert 'PYTHON=python3.11' in said


def test_tested_python_is_no_problem():
    assert preflight.python_problem((3, 11)) is None


def test_missing_headers(tmp_path):
    assert 'python3.11-dev' in preflight.headers_problem(tmp_path)
    (tmp_path / 'Python.h').touch()
    assert preflight.headers_problem(tmp_path) is None


def test_a_compiler_that_cannot_compile(tmp_path):
    compiler = script(tmp_path / 'cc', 'echo "vector: no such file" >&2; exit 1')
    said = preflight.compiler_problem(str(compiler))
    assert 'vector: no such file' in said
    assert 'apt-get install -y g++' in said


def test_disk_room_is_added_up_a_file_system(tmp_path):
    free = shutil.disk_usage(tmp_path).free / preflight.GIB
    most = int(free * 0.7) + 1
    assert preflight.disk_problem({tmp_path / 'not' / 'yet': 0}) is None
    said = preflight.disk_problem({tmp_path / 'one': most, tmp_path / 'two': most})
    assert f'{2 * most} GiB needed, {free:.1f} free' in said
    assert f'df -h {tmp_path}' in said


def test_all_problems_are_said_at_once():
    with pytest.raises(SetupError, match='one\nother'):
        preflight.require('one', None, 'other')
    preflight.require(None, None)


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').touch()
    with pytest.raises(SetupError, match='was not made by'):
        setup_env.Environment(tmp_path).create()
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


@pytest.fixture
def environment(tmp_path):
    """An environment with one step done; its Python is this one."""
    environment = setup_env.Environment(tmp_path / 'venv')
    (environment.folder / '.setup').mkdir(parents=True)
    environment.python.parent.mkdir()
    environment.python.symlink_to(sys.executable)
    environment.set_stamp('runtime', 'key')
    return environment


def test_a_stamp_is_worth_nothing_after_an_interruption(environment):
    assert environment.stamp('runtime') == 'key'
    assert environment.stamp('mmcv') is None
    with pytest.raises(KeyboardInterrupt), environment.changing():
        raise KeyboardInterrupt
    assert environment.stamp('runtime') is None


def test_a_stamp_is_worth_nothing_without_the_python_it_was_made_with(environment):
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
    assert environment.output('import pip; print(1)') == '1'
    environment.set_stamp('venv', 'key')
    assert environment.stamp('venv') == 'key'


def test_a_change_undoes_its_step_and_those_after_it():
    def keys(*contents):
        names = ('one', 'two', 'three')
        steps = map(setup_env.Step, names, contents, [None] * 3)
        return setup_env.stamp_keys(list(steps))

    before, after = keys('a', 'b', 'c'), keys('a', 'x', 'c')
    assert [before[name] == after[name] for name in before] == [True, False, False]


@needs_tested_python
def test_what_is_done_is_not_done_again(environment, monkeypatch):
    pins = setup_env.read_pins(REPO / 'requirements' / 'runtime.txt')
    steps = setup_env.plan(environment, pins, dev=True)
    for name, key in setup_env.stamp_keys(steps).items():
        environment.set_stamp(name, key)

    def started(*arguments):
        raise SetupError('something is to be done')

    monkeypatch.setattr(setup_env, '_check_machine', started)
    setup_env.set_up(environment.folder, None, dev=True)
    setup_env.set_up(environment.folder, None, dev=False)
    with pytest.raises(SetupError, match='to be done'):
        setup_env.set_up(environment.folder, '2.0.0', dev=False)


def test_every_package_is_pinned_to_one_version():
    for name in ('runtime', 'dev', 'docs'):
        pins = setup_env.read_pins(REPO / 'requirements' / f'{name}.txt')
        assert all(re.fullmatch(r'\d+(\.\w+)*', version) for version in pins.values())
        assert list(pins) == sorted(pins)


def test_every_package_is_locked_in_the_version_of_its_pin():
    pins = setup_env.read_pins(REPO / 'requirements' / 'runtime.txt')
    locked = setup_env.read_locked(setup_env.LOCK)
    assert locked.keys() == pins.keys()
    for name, version in pins.items():
        assert re.fullmatch(
            rf'{name}=={re.escape(version)}( +--hash=sha256:[0-9a-f]{{64}})+',
            locked[name],
        )


def test_a_file_without_the_locked_hash_is_refused(environment, tmp_path, capfd):
    package = wheel(tmp_path / 'thing-1.0-py3-none-any.whl', 'thing.py')
    other = hashlib.sha256(b'another file').hexdigest()
    with pytest.raises(subprocess.CalledProcessError):
        environment.install_locked([f'{package} --hash=sha256:{other}'])
    assert 'DO NOT MATCH THE HASHES' in capfd.readouterr().err


def script(path, body):
    path.write_text(f'#!/bin/sh\n{body}\n')
    path.chmod(0o755)
    return path


def wheel(path, *names):
    with zipfile.ZipFile(path, 'w') as archive:
        for name in names:
            archive.writestr(name, 'x' * 1000)
    return path


WITH_OPS = ('mmcv/__init__.py', 'mmcv/_ext.cpython-311-x86_64-linux-gnu.so')


def test_only_a_whole_wheel_with_operators_counts(tmp_path):
    found = lambda: mmcv_wheel.cached_wheel(tmp_path, '2.1.0')  # noqa: E731
    bare = wheel(tmp_path / 'mmcv-2.1.0-cp311-none.whl', 'mmcv/__init__.py')
    torn = wheel(tmp_path / 'mmcv-2.1.0-cp311-torn.whl', *WITH_OPS)
    torn.write_bytes(torn.read_bytes()[:1500])
    wheel(tmp_path / 'mmcv-2.0.0-cp311-other.whl', *WITH_OPS)
    assert found() is None
    assert not mmcv_wheel.has_ops(bare)
    whole = wheel(tmp_path / 'mmcv-2.1.0-cp311-whole.whl', *WITH_OPS)
    assert found() == whole


def test_the_cache_is_keyed_by_torch_and_python(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = mmcv_wheel.wheel_folder('2.13.0+cpu')
    tag = sys.implementation.cache_tag
    assert folder == tmp_path / 'mmdet_centernet' / 'wheels' / f'2.13.0+cpu-{tag}'


# Stands in for the Python of an environment; pip's last argument is the wheel folder.
FAKE_PIP = 'for last; do :; done; echo "[1/2] c++ a.cpp"; echo "[2/2] c++ b.cpp";'


@pytest.fixture
def able_machine(monkeypatch):
    monkeypatch.setattr(mmcv_wheel, 'build_problems', list)


def test_a_built_wheel_appears_in_the_cache(able_machine, tmp_path, capsys):
    made = wheel(tmp_path / 'mmcv-2.1.0-cp311-made.whl', *WITH_OPS)
    python = script(tmp_path / 'python', f'{FAKE_PIP} cp {made} "$last"')
    folder = tmp_path / 'cache'
    assert mmcv_wheel.build_wheel(python, 'mmcv==2.1.0', folder) == folder / made.name
    assert sorted(os.listdir(folder)) == ['build.log', made.name]
    assert '2 of 2 files' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('body', 'message'),
    [
        ('echo "fatal error: half a file"; exit 1', 'fatal error: half a file'),
        ('true', 'without operators'),
    ],
)
def test_a_failed_build_leaves_its_log_alone(able_machine, tmp_path, body, message):
    python = script(tmp_path / 'python', f'{FAKE_PIP} {body}')
    folder = tmp_path / 'cache'
    with pytest.raises(SetupError, match=message):
        mmcv_wheel.build_wheel(python, 'mmcv==2.1.0', folder)
    assert os.listdir(folder) == ['build.log']


def test_progress_is_read_off_the_build():
    lines = ['running build_ext\n', '  [1/77] c++ -MMD a[0]\n', 'warning\n']
    assert list(mmcv_wheel.progress([*lines, '  [77/77] c++ b\n'])) == [
        (1, 77),
        (77, 77),
    ]
