"""dev/compiled_mmcv: checks of the machine, builds and the cache of wheels."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from helpers.tool_modules import load_tool

compiled_mmcv = load_tool('compiled_mmcv/__main__.py', folder='dev')
building, wheels, toolchain = (
    sys.modules[name] for name in ('building', 'wheels', 'toolchain')
)
BuildError = building.BuildError
VERSION = building.mmcv_version()

needs_compiler = pytest.mark.skipif(
    not shutil.which('c++'), reason='needs a C++ compiler'
)


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


def test_missing_compiler_and_headers_are_listed_at_once(tmp_path):
    problems = toolchain.problems('no-such-compiler', tmp_path, 'python3.12')
    assert 'No C++ compiler (no-such-compiler)' in problems[0]
    assert 'apt-get install -y g++' in problems[0]
    assert 'apt-get install -y python3.12-dev' in problems[1]


@needs_compiler
def test_an_able_machine_has_no_problems(tmp_path):
    (tmp_path / 'Python.h').touch()
    assert toolchain.problems('c++', tmp_path, 'python3.12') == []


def test_a_compiler_that_cannot_compile(tmp_path):
    compiler = script(tmp_path / 'cc', 'echo "vector: no such file" >&2; exit 1')
    message = toolchain.compiler_problem(str(compiler))
    assert 'vector: no such file' in message
    assert 'apt-get install -y g++' in message


def test_windows_is_not_supported(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.os, 'name', 'nt')
    (problem,) = toolchain.problems('c++', tmp_path, 'python3.12')
    assert 'use mmcv-lite' in problem


def test_versions_in_an_environment():
    from importlib.metadata import version

    target = compiled_mmcv.inspect(sys.executable)
    assert target.torch == version('torch')
    assert target.tag == sys.implementation.cache_tag
    assert target.python == 'python{}.{}'.format(*sys.version_info)


def test_an_environment_without_torch_is_refused(tmp_path):
    python = script(tmp_path / 'python', 'echo "PackageNotFoundError" >&2; exit 1')
    with pytest.raises(BuildError, match='compiled against torch: install it'):
        compiled_mmcv.inspect(python)


def test_only_a_complete_wheel_with_operators_counts(tmp_path):
    bare = wheel(tmp_path / 'mmcv-2.1.0-cp311-none.whl', 'mmcv/__init__.py')
    truncated = wheel(tmp_path / 'mmcv-2.1.0-cp311-truncated.whl', *WITH_OPS)
    truncated.write_bytes(truncated.read_bytes()[:1500])
    wheel(tmp_path / 'mmcv-2.0.0-cp311-other.whl', *WITH_OPS)
    assert wheels.cached_wheel(tmp_path, '2.1.0') is None
    assert not wheels.has_ops(bare)
    complete = wheel(tmp_path / 'mmcv-2.1.0-cp311-whole.whl', *WITH_OPS)
    assert wheels.cached_wheel(tmp_path, '2.1.0') == complete


def test_a_wheel_is_found_for_its_torch_and_python_only(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(toolchain, 'problems', lambda *asked: ['nothing compiles here'])
    folder = tmp_path / 'mmdet_centernet/wheels/2.13.0+cpu-cpython-311'
    folder.mkdir(parents=True)
    kept = wheel(folder / f'mmcv-{VERSION}-cp311-kept.whl', *WITH_OPS)
    target = compiled_mmcv.Target('2.13.0+cpu', 'python3.11', 'cpython-311', '')
    assert compiled_mmcv.find_or_build('python', target) == kept
    for other in (dict(torch='2.13.0'), dict(tag='cpython-312')):
        with pytest.raises(BuildError, match='nothing compiles here'):
            compiled_mmcv.find_or_build('python', target._replace(**other))


# Replaces the Python of an environment. The last argument of pip is a folder, for the
# build tools or for the wheel.
FAKE_PIP = """
for last; do :; done
case "$last" in */tools) exit 0;; esac
echo "[1/2] c++ a.cpp"; echo "[2/2] c++ b.cpp"
"""


def test_a_built_wheel_appears_in_the_cache(tmp_path, capsys):
    made = wheel(tmp_path / f'mmcv-{VERSION}-cp311-made.whl', *WITH_OPS)
    python = script(tmp_path / 'python', f'{FAKE_PIP} cp {made} "$last"')
    folder = tmp_path / 'cache'
    assert building.build_wheel(python, folder) == folder / made.name
    assert sorted(os.listdir(folder)) == ['build.log', made.name]
    assert '2 of 2 files' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('body', 'message'),
    [
        ('echo "fatal error: half a file"; exit 1', 'fatal error: half a file'),
        ('true', 'without operators'),
    ],
)
def test_a_failed_build_leaves_its_log_alone(tmp_path, body, message):
    python = script(tmp_path / 'python', f'{FAKE_PIP} {body}')
    folder = tmp_path / 'cache'
    with pytest.raises(BuildError, match=message):
        building.build_wheel(python, folder)
    assert os.listdir(folder) == ['build.log']


def test_a_build_calls_the_given_compiler_with_the_headers_ready(tmp_path, monkeypatch):
    """The compiler logs its arguments; pip calls it as for extensions of torch."""
    writing = 'case "$*" in *c++-header*) for last; do :; done; touch "$last";; esac'
    logging = script(tmp_path / 'my c++', f'echo "$@" >> {tmp_path}/calls; {writing}')
    monkeypatch.setenv('CXX', str(logging))
    compiling = '"$CXX" -O3 -c a.cpp -o a.o && "$CXX" -v'
    python = script(tmp_path / 'python', f'{FAKE_PIP} {compiling}')
    with pytest.raises(BuildError, match='without operators'):
        building.build_wheel(python, tmp_path / 'cache')
    header, file, version = (tmp_path / 'calls').read_text().splitlines()
    assert header.startswith('-O3 -g0 -x c++-header ')
    assert file.startswith('-O3 -c a.cpp -o a.o -g0 -include ')
    assert version == '-v'


def test_progress_is_read_off_the_build():
    lines = ['running build_ext\n', '  [1/77] c++ -MMD a[0]\n', 'warning\n']
    assert list(building.progress([*lines, '  [77/77] c++ b\n'])) == [
        (1, 77),
        (77, 77),
    ]


@pytest.fixture
def calls(tmp_path):
    """Arguments with which the Python of an environment was called."""
    path = tmp_path / 'calls'
    return lambda: [line.split() for line in path.read_text().splitlines()]


@pytest.mark.parametrize('imports', [True, False])
def test_the_wheel_replaces_any_mmcv(tmp_path, calls, imports):
    body = f'echo "$@" >> {tmp_path}/calls; [ "$1" = -m ] || exit {int(not imports)}'
    python = script(tmp_path / 'python', body)
    made = tmp_path / 'mmcv.whl'
    if imports:
        compiled_mmcv.install(python, made)
    else:
        with pytest.raises(BuildError, match=f'remove {made}'):
            compiled_mmcv.install(python, made)
    uninstalled, installed, tried = calls()
    assert uninstalled[-4:] == ['uninstall', '--yes', 'mmcv', 'mmcv-lite']
    assert installed[-3:] == ['install', '--no-deps', str(made)]
    assert tried == ['-c', 'import', 'mmcv.ops']


def test_the_command_line_names_what_is_missing(tmp_path):
    python = script(tmp_path / 'python', 'echo "no torch here" >&2; exit 1')
    command = [sys.executable, building.COMPILER.parent, '--python', python]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith('no torch here')
    assert 'Traceback' not in done.stderr
