"""The command `mmdet_centernet`, after `pip install` without a checkout."""

import re
import sys

import pytest

import mmdet_centernet_cli
from helpers.checkout import copy_checkout, install
from helpers.scripts import run, run_python
from helpers.tiny import REPO

COMMANDS = [*mmdet_centernet_cli.SCRIPTS, *mmdet_centernet_cli.MODULES]


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    sources = copy_checkout(tmp_path_factory.mktemp('sources') / 'checkout')
    return install(sources, tmp_path_factory.mktemp('installed'))


def test_every_command_has_its_script():
    for script, _ in mmdet_centernet_cli.SCRIPTS.values():
        assert (REPO / 'tools' / script).is_file()


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as status:
        mmdet_centernet_cli.main(['--help'])
    assert status.value.code == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf'^  {name} ', printed, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize('arguments', [[], ['fly'], ['--version']])
def test_an_unknown_command_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as status:
        mmdet_centernet_cli.main(arguments)
    assert status.value.code == 2
    assert 'usage: mmdet_centernet COMMAND' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize('command', COMMANDS)
def test_help_of_each_command_in_an_installed_package(command, installed, tmp_path):
    script = installed / 'bin/mmdet_centernet'
    printed = run(
        sys.executable, script, command, '--help', cwd=tmp_path, PYTHONPATH=installed
    )
    if command in mmdet_centernet_cli.SCRIPTS:
        assert f'usage: {mmdet_centernet_cli.SCRIPTS[command][0]}' in printed
    else:
        assert 'usage: mmdet_centernet' in printed


@pytest.mark.slow
def test_the_module_is_the_command_and_returns_the_status(tmp_path):
    command = ('-m', 'mmdet_centernet', 'browse-targets', 'missing.py')
    with pytest.raises(AssertionError, match='ended with 1'):
        run_python(*command, cwd=tmp_path)


@pytest.mark.slow
def test_the_doctor_starts_where_the_package_does_not(tmp_path):
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text('raise RuntimeError("broken mmdet")\n')
    path = f'{tmp_path}:{REPO}'
    code = 'import mmdet_centernet_cli as c; c.main(["doctor"])'
    printed = run_python('-c', code, cwd=tmp_path, check=False, PYTHONPATH=path)
    assert 'broken mmdet' in printed
    assert 'Not healthy' in printed


@pytest.mark.slow
def test_predictions_need_no_torch(installed, tmp_path):
    code = (
        'import sys; sys.modules["torch"] = None; '
        'import mmdet_centernet_cli as c; c.main(["predict", "--help"])'
    )
    printed = run_python('-c', code, cwd=tmp_path, PYTHONPATH=installed)
    assert 'usage: predict_onnx.py' in printed
