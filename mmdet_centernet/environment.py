"""Can this environment run the package, and if not, what mends it?

Versions are asked of the modules themselves: mmdet, mmcv and mmengine come under more
than one distribution name, and any of them will do. There are lower bounds only, since
an upper one would refuse releases that nobody has seen fail.
"""

from __future__ import annotations

import importlib

# mmdet: its last release. mmcv: what that mmdet takes. mmengine: reads the `mmdet::`
# bases of the shipped configs and runs on torch 2.
MINIMUM_VERSIONS = {'mmengine': '0.10.0', 'mmcv': '2.0.0', 'mmdet': '3.3.0'}


def check_versions() -> None:
    """Checks that mmengine, mmcv and mmdet are here and recent enough.

    Raises:
        ImportError: If one is missing or too old; the message says what to install.
    """
    for name, minimum in MINIMUM_VERSIONS.items():
        _check_version(name, minimum)


def check_operators() -> None:
    """Checks that mmcv has its compiled operators, which `mmdet.models` imports.

    Raises:
        ImportError: If mmcv was built without them.
    """
    try:
        importlib.import_module('mmcv.ops')
    except ImportError as error:
        raise ImportError(
            f'mmcv cannot load its compiled operators ({error}). It was built without '
            'them or against another torch. Build it again in this environment: '
            'pip install --force-reinstall --no-deps --no-cache-dir '
            '--no-build-isolation mmcv==VERSION, with MMCV_WITH_OPS=1 set and '
            '"setuptools<81", wheel and ninja installed.'
        ) from error


def _check_version(name: str, minimum: str) -> None:
    try:
        found = importlib.import_module(name).__version__
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(
            f'mmdet_centernet needs {name}, which is not installed: '
            f'pip install "{name}>={minimum}"'
        ) from error
    from mmengine.utils import digit_version

    if digit_version(found) < digit_version(minimum):
        raise ImportError(
            f'mmdet_centernet needs {name}>={minimum}, but {found} is installed: '
            f'pip install -U "{name}>={minimum}"'
        )
