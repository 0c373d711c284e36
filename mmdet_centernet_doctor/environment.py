"""What can be read from an environment without importing its libraries."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    distributions,
    packages_distributions,
)
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

from mmdet_centernet_operators.stand_in import compiled_module, is_ours, mmcv_folder

PACKAGE = 'mmdet_centernet'


class Environment(NamedTuple):
    """The machine, and what pip installed."""

    python: tuple[int, int]
    copies: tuple[Path, ...]  # folders of mmdet_centernet; the first one is imported
    compiled: bool  # mmcv has compiled operators
    stand_in: bool  # `mmdet_centernet operators install` was run
    has_driver: bool  # of NVIDIA
    installed: dict[str, tuple[str, str]]  # module to name and version for pip
    broken_pins: tuple[str, ...]  # unmet requirements of openmim


def inspect_environment() -> Environment:
    """Describes the running Python and its machine."""
    mmcv = mmcv_folder()
    return Environment(
        python=sys.version_info[:2],
        copies=find_copies([*sys.path, *editable_folders()]),
        compiled=mmcv is not None and compiled_module(mmcv) is not None,
        stand_in=mmcv is not None and is_ours(mmcv / '_ext.py'),
        has_driver=bool(shutil.which('nvidia-smi') or Path('/dev/nvidiactl').exists()),
        installed=find_distributions(),
        broken_pins=tuple(find_broken_pins()),
    )


def find_distributions() -> dict[str, tuple[str, str]]:
    """Returns module to name and version for pip.

    A folder of metadata that a failed installation left behind may have no name.
    """
    return {
        module: (name, _version(name))
        for module, names in packages_distributions().items()
        for name in list(filter(None, names))[:1]
    }


def read_constants() -> dict[str, Any]:
    """Reads ``mmdet_centernet/version.py`` without importing the package."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return dict(__version__='?', MINIMUM_VERSIONS={})
    return run_path(str(Path(spec.origin).with_name('version.py')))


def find_copies(folders: Iterable[str]) -> tuple[Path, ...]:
    """Returns the copies of mmdet_centernet in some folders, each once."""
    packages = [(Path(folder or '.') / PACKAGE).resolve() for folder in folders]
    found = [path for path in packages if (path / '__init__.py').is_file()]
    return tuple(dict.fromkeys(found))


def editable_folders() -> Iterator[str]:
    """Yields the checkouts that were installed with ``pip install --editable``."""
    for found in distributions(name=PACKAGE):
        origin = json.loads(found.read_text('direct_url.json') or '{}')
        if origin.get('dir_info', {}).get('editable'):
            yield unquote(urlparse(origin['url']).path)


def find_broken_pins() -> Iterator[str]:
    """Describes unmet requirements of openmim; openxlab pins setuptools."""
    for name in ('openmim', 'opendatalab', 'openxlab'):
        if found := _version(name):
            for unmet in _unmet_requirements(name):
                yield f'{name} {found} requires {unmet}'


def _unmet_requirements(name: str) -> Iterator[str]:
    from packaging.requirements import Requirement  # torch does without it

    for wanted in map(Requirement, distribution(name).requires or []):
        if wanted.marker and not wanted.marker.evaluate({'extra': ''}):
            continue
        there = _version(wanted.name)
        if not there or not wanted.specifier.contains(there, True):
            yield f'{wanted.name}{wanted.specifier}, {there or "none"} is installed'


def _version(name: str) -> str:
    """Returns the version of a distribution, '' if it is not installed."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return ''
