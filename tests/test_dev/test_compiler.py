"""The compiler wrapper for mmcv and its precompiled headers of torch."""

import json
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.tiny import REPO
from helpers.tool_modules import load_tool

compiler = load_tool('compiled_mmcv/compiler.py', folder='dev')

WRAPPER = REPO / 'dev/compiled_mmcv/compiler.py'
FLAGS = ['-DNAME=_ext', '-I/usr/include/some where', '-fPIC', '-O3', '-std=c++17']
# Logs its arguments, writes the output and returns the given status.
FAKE = """
import json, sys, uuid
from pathlib import Path
words = sys.argv[1:]
Path({folder!r}, uuid.uuid4().hex + '.call').write_text(json.dumps(words))
if '-o' in words:
    Path(words[words.index('-o') + 1]).write_text('compiled')
sys.exit({header_status} if 'c++-header' in words else {status})
"""


class Fake:
    """A compiler that only logs its arguments, and the wrapper around it."""

    def __init__(self, folder, status=0, header_status=0):
        self.folder = folder
        program = folder / 'fake.py'
        values = dict(status=status, header_status=header_status)
        program.write_text(FAKE.format(folder=str(folder), **values))
        self.command = folder / 'fake'
        words = shlex.join([sys.executable, str(program)])
        self.command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.command.chmod(0o755)

    def run(self, *arguments):
        command = [sys.executable, WRAPPER, self.command, self.folder / 'pre']
        return subprocess.run([*command, *arguments], cwd=self.folder).returncode

    @property
    def calls(self):
        return [json.loads(path.read_text()) for path in self.folder.glob('*.call')]

    @property
    def headers(self):
        return [call for call in self.calls if 'c++-header' in call]

    @property
    def others(self):
        return [call for call in self.calls if 'c++-header' not in call]


def compile_command(name='a.cpp'):
    """The arguments with which ninja compiles extensions of torch."""
    return ['-MMD', '-MF', f'{name}.o.d', *FLAGS, '-c', name, '-o', f'{name}.o']


def test_a_file_is_compiled_with_its_flags_and_the_header(tmp_path):
    fake = Fake(tmp_path)
    assert fake.run(*compile_command()) == 0
    (call,) = fake.others
    header = str(tmp_path / 'pre/torch.h')
    extra = ['-g0', '-include', header, '-Winvalid-pch']
    assert call == [*compile_command(), *extra]
    assert (tmp_path / 'pre/torch.h').read_text() == '#include <torch/types.h>\n'


def test_the_header_is_precompiled_once_with_the_same_flags(tmp_path):
    fake = Fake(tmp_path)
    for name in ('a.cpp', 'b.cpp', 'c.cpp'):
        fake.run(*compile_command(name))
    (call,) = fake.headers
    assert call[: len(FLAGS) + 1] == [*FLAGS, '-g0']
    assert (tmp_path / 'pre/torch.h.gch').read_text() == 'compiled'
    assert len(fake.others) == 3


def test_parallel_first_calls_precompile_once_and_all_compile(tmp_path):
    fake = Fake(tmp_path)
    names = [f'{number}.cpp' for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda name: fake.run(*compile_command(name)), names))
    assert statuses == [0] * 8
    assert len(fake.headers) == 1
    assert len(fake.others) == 8
    left = sorted(path.name for path in (tmp_path / 'pre').iterdir())
    assert left == ['begun', 'torch.h', 'torch.h.gch']


@pytest.mark.parametrize(
    'arguments',
    [
        ['-v'],
        ['-dumpfullversion', '-dumpversion'],
        ['-shared', 'a.o', 'b.o', '-o', '_ext.so'],
        ['-c', 'a.c', '-o', 'a.o'],
        ['-E', 'a.cpp'],
    ],
)
def test_other_calls_are_passed_through(tmp_path, arguments):
    fake = Fake(tmp_path)
    assert fake.run(*arguments) == 0
    assert fake.calls == [arguments]
    assert not (tmp_path / 'pre').exists()


def test_status_of_the_compiler_is_returned(tmp_path):
    assert Fake(tmp_path, status=3).run(*compile_command()) == 3


def test_a_header_that_does_not_precompile_is_included(tmp_path):
    fake = Fake(tmp_path, header_status=1)
    for name in ('a.cpp', 'b.cpp'):
        assert fake.run(*compile_command(name)) == 0
    assert len(fake.headers) == 1
    assert len(fake.others) == 2
    assert not (tmp_path / 'pre/torch.h.gch').exists()


@pytest.mark.skipif(not shutil.which('c++'), reason='needs a C++ compiler')
def test_a_real_compiler_reads_the_precompiled_header(tmp_path):
    torch = tmp_path / 'include/torch'
    torch.mkdir(parents=True)
    (torch / 'types.h').write_text('inline int answer() { return 42; }\n')
    (tmp_path / 'a.cpp').write_text('int main() { return answer(); }\n')
    command = [sys.executable, WRAPPER, shutil.which('c++'), 'pre']
    # -H lists the files that are read.
    options = ['-H', '-I', 'include', '-c', 'a.cpp', '-o', 'a.o']
    for _ in range(2):
        done = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert '/torch.h.gch' in done.stderr
    program = [shutil.which('c++'), 'a.o', '-o', 'a']
    subprocess.run(program, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / 'a']).returncode == 42
