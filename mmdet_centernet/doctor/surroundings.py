"""What can be known about an environment without importing anything of it?"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    distributions,
    packages_distributions,
)
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlparse

from mmdet_centernet_operators.stand_in import compiled_module, is_ours, mmcv_folder

PACKAGE = 'mmdet_centernet'
MIM_DISTRIBUTIONS = ('openmim', 'opendatalab', 'openxlab')
"""Openmim and what it drags in; the last one pins setuptools."""


class Surroundings(NamedTuple):
    """The machine, and what pip knows.

    Attributes:
        python: Version of Python, such as (3, 11).
        copies: Folders that hold this package, the one that is imported first.
        compiled: Whether mmcv has compiled operators. If not, those of
            ``mmdet_centernet_operators`` stand in for them.
        for_all: Whether a file beside mmcv lets every program find the stand-in.
        has_driver: Whether the machine has an NVIDIA driver.
        installed: Module to the name of the distribution that brought it, and its
            version.
        broken_pins: What openmim asks for and does not get, in words.
    """

    python: tuple[int, int]
    copies: tuple[Path, ...]
    compiled: bool
    for_all: bool
    has_driver: bool
    installed: dict[str, tuple[str, str]]
    broken_pins: tuple[str, ...]


def look_around() -> Surroundings:
    """Find out about the running Python and its machine."""
    mmcv = mmcv_folder()
    return Surroundings(
        python=sys.version_info[:2],
        copies=find_copies(sys.path, editable_folders()),
        compiled=mmcv is not None and compiled_module(mmcv) is not None,
        for_all=mmcv is not None and is_ours(mmcv / '_ext.py'),
        has_driver=bool(shutil.which('nvidia-smi') or Path('/dev/nvidiactl').exists()),
        installed=installed_distributions(),
        broken_pins=tuple(find_broken_pins(MIM_DISTRIBUTIONS)),
    )


def find_copies(search: Iterable[str], editable: Iterable[Path]) -> tuple[Path, ...]:
    """Folders that hold this package, each once.

    Args:
        search: Folders where Python looks, in its order.
        editable: Folders to which editable installs point.
    """
    folders = [Path(folder or '.') for folder in search] + list(editable)
    packages = [(folder / PACKAGE).resolve() for folder in folders]
    found = [path for path in packages if (path / '__init__.py').is_file()]
    return tuple(dict.fromkeys(found))


def editable_folders() -> list[Path]:
    """Where ``pip install --editable`` was called for this package."""
    folders = []
    for found in distributions(name=PACKAGE):
        origin = json.loads(found.read_text('direct_url.json') or '{}')
        if origin.get('dir_info', {}).get('editable'):
            folders.append(Path(unquote(urlparse(origin['url']).path)))
    return folders


def installed_distributions() -> dict[str, tuple[str, str]]:
    """Module to name and version of the distribution that brought it.

    Mmdet, mmcv and mmengine come under more than one name.
    """
    return {
        module: (names[0], distribution(names[0]).version)
        for module, names in packages_distributions().items()
    }


def find_broken_pins(names: Iterable[str]) -> Iterable[str]:
    """Requirements of installed distributions that are not met.

    Yields:
        For each who asks for what, and what is there.
    """
    for name in names:
        try:
            asking = distribution(name)
        except PackageNotFoundError:
            continue
        yield from _broken_pins_of(asking)


def _broken_pins_of(asking: Distribution) -> Iterable[str]:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, asking.requires or []):
        if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
            continue
        try:
            found = distribution(requirement.name).version
        except PackageNotFoundError:
            found = 'none'
        if found == 'none' or not requirement.specifier.contains(found, True):
            yield (
                f'{asking.name} {asking.version} asks for {requirement.name}'
                f'{requirement.specifier}, {found} is installed'
            )
