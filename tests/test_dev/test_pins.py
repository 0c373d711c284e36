"""The lists in `requirements/`: all versions are pinned, and the locks match."""

import re
import sys

import pytest

from helpers.tiny import REPO
from helpers.tool_modules import load_tool

setup_env = load_tool('setup_env/__main__.py', folder='dev')
pins = sys.modules['pins']
SETS = list(pins.SETS.values())
LISTS = [name for pinned in SETS for name in (pinned.runtime, *pinned.dev)]


def read_pins(name):
    """Package to version in a list without hashes."""
    return dict(line.split('==') for line in pins.read_requirements(name).values())


@pytest.mark.parametrize('name', [*LISTS, 'mmcv-build.txt'])
def test_every_package_is_pinned_to_one_version(name):
    versions = read_pins(name)
    assert all(re.fullmatch(r'\d+(\.\w+)*', version) for version in versions.values())
    assert list(versions) == sorted(versions)


@pytest.mark.parametrize('pinned', SETS, ids=lambda pinned: pinned.runtime)
def test_every_package_is_locked_in_the_version_of_its_pin(pinned):
    versions, locked = read_pins(pinned.runtime), pins.read_requirements(pinned.lock)
    assert locked.keys() == versions.keys()
    for name, version in versions.items():
        assert re.fullmatch(
            rf'{name}=={re.escape(version)}( +--hash=sha256:[0-9a-f]{{64}})+',
            locked[name],
        )


@pytest.mark.parametrize('pinned', SETS, ids=lambda pinned: pinned.runtime)
def test_no_package_is_in_two_lists(pinned):
    names = [name for part in (pinned.runtime, *pinned.dev) for name in read_pins(part)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('pinned', SETS, ids=lambda pinned: pinned.runtime)
def test_nothing_is_compiled_and_mmengine_finds_pkg_resources(pinned):
    versions = read_pins(pinned.runtime)
    assert not {'mmcv', 'ninja'} & versions.keys()
    assert int(versions['setuptools'].split('.')[0]) < 81


def test_forks_replace_packages_that_are_pinned():
    replaced = set(setup_env.REPLACED['onedl'])
    assert replaced <= read_pins('runtime.txt').keys()


def test_every_list_is_used():
    used = {*LISTS, *(pinned.lock for pinned in SETS)}
    used |= {'mmcv-build.txt', 'mmcv-source.txt', 'onedl.txt'}
    assert {path.name for path in (REPO / 'requirements').iterdir()} == used
