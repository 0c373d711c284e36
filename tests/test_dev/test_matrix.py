"""dev/matrix: its rows, its table and the smoke test."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from helpers.tiny import REPO
from helpers.tool_modules import load_tool

matrix = load_tool('matrix/__main__.py', folder='dev')
smoke = load_tool('matrix/smoke.py', folder='dev')
report, rows = sys.modules['report'], sys.modules['rows']

TRACEBACK = """\
Loading | images
Traceback (most recent call last):
  File "a.py", line 1, in <module>
ModuleNotFoundError: No module named 'a|b'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 1, in <module>
mmcv.SomeError: mmcv is broken: see
  above
[end of log]
"""


def test_rows_are_chosen_by_name_in_their_own_order():
    assert [row.name for row in rows.choose(['onedl', '3.12'])] == ['3.12', 'onedl']
    assert rows.choose([]) == list(rows.ROWS)
    with pytest.raises(ValueError, match=r'no row 3\.9; there are .*onedl'):
        rows.choose(['3.9', 'onedl'])


def test_options_of_the_rows_are_those_of_setup_env(monkeypatch):
    setup_env = load_tool('setup_env/__main__.py', folder='dev')
    for row in rows.ROWS:
        monkeypatch.setattr(sys, 'argv', ['setup_env', *row.options])
        args = setup_env._parse_args()
        python = tuple(map(int, row.python.split('.')))
        pins = args.pins or setup_env.default_set(python)
        assert python in setup_env.SETS[pins].pythons


def test_python_is_found_by_its_version():
    here = '{}.{}'.format(*sys.version_info)
    found = rows.find_python(here)
    code = 'import sys; print("{}.{}".format(*sys.version_info))'
    printed = subprocess.run([found, '-c', code], capture_output=True, text=True).stdout
    assert printed.strip() == here
    assert rows.find_python('3.1') is None


def test_a_python_of_another_version_is_skipped(tmp_path, monkeypatch):
    """Such as a shim of pyenv for a version that is not enabled."""
    path = tmp_path / 'python3.12'
    path.write_text('#!/bin/sh\necho "command not found" >&2; exit 127\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert rows.find_python('3.12') is None
    path.write_text('#!/bin/sh\necho 3.12\n')
    assert rows.find_python('3.12') == str(path)


def test_a_row_without_its_python_is_reported(monkeypatch):
    row = rows.ROWS[0]
    monkeypatch.setattr(matrix, 'find_python', lambda version: None)
    assert matrix.try_row(row) == {
        'Python': f'{row.python}: not run, no python{row.python} found'
    }


@pytest.mark.parametrize(
    ('closing', 'cell', 'good'),
    [
        ('== 9 passed, 2 skipped in 3.21s ==', '9 passed, 0 failed, 2 skipped', True),
        ('= 1 failed, 9 passed in 60s =', '9 passed, 1 failed, 0 skipped', False),
        ('= 2 failed, 3 errors in 1s =', '0 passed, 5 failed, 0 skipped', False),
        (
            '= 4 deselected, 9 passed, 1 error in 1s =',
            '9 passed, 1 failed, 0 skip',
            False,
        ),
        (TRACEBACK, 'mmcv.SomeError: mmcv is broken: see', False),
        ('', 'no output', False),
    ],
)
def test_cell_of_the_quick_tests(closing, cell, good):
    written = report.quick_tests_cell(f'12 passed by\n{closing}\n')
    if not closing:
        written = report.quick_tests_cell('')
    assert written.startswith(cell)
    assert report.is_good(written) is good


def test_table_has_a_line_per_row_and_escapes_its_cells():
    full = dict.fromkeys(report.COLUMNS, 'yes') | {'train': 'KeyError: a|b\nc'}
    lines = report.table([full, {'Python': '3.12: not run'}]).splitlines()
    assert lines[0].split(' | ')[0] == '| Python'
    assert set(lines[1]) == set('| -')
    assert 'KeyError: a\\|b c' in lines[2]
    cells = [line.replace('\\|', '').count('|') for line in lines]
    assert cells == [len(report.COLUMNS) + 1] * 4
    assert lines[3].startswith('| 3.12: not run |  |')


def run_step(tmp_path, code, **expected):
    script = tmp_path / 'script.py'
    script.write_text(code)
    return smoke.run(smoke.Step([script], **expected), tmp_path)


def test_a_step_must_leave_its_file(tmp_path):
    code = 'print("done"); open("made", "w")'
    assert run_step(tmp_path, code, leaves='made') == 'yes'
    assert run_step(tmp_path, 'print("done")', leaves='other') == 'done'


def test_a_step_must_print_its_words(tmp_path):
    assert run_step(tmp_path, 'print("AP: 1")', prints='AP: ') == 'yes'
    assert run_step(tmp_path, 'print("nothing")', prints='AP: ') == 'nothing'


def test_a_step_must_end_well(tmp_path):
    printed = run_step(tmp_path, 'raise ValueError("no weights")')
    assert printed == 'ValueError: no weights'


def test_versions_are_those_that_are_installed():
    command = [sys.executable, REPO / 'dev/matrix/versions.py']
    found = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert tuple(found) == report.VERSIONS
    assert found['torch'] == version('torch')
    assert found['numpy'] == version('numpy')
    assert 'none' not in found.values()


@pytest.mark.slow
def test_all_steps_run_in_this_environment(tmp_path):
    command = [sys.executable, REPO / 'dev/matrix/smoke.py', tmp_path]
    subprocess.run(command, check=True)
    cells = json.loads((tmp_path / 'smoke.json').read_text())
    assert cells == dict.fromkeys(report.STEPS, 'yes')
