"""Checks that the installed torch, mmengine, mmcv and mmdet can run this package.

Versions are read from the modules, since mmdet, mmcv and mmengine are distributed under
several names. There are no upper bounds: they would refuse releases that may well work.
"""

from __future__ import annotations

import importlib

from mmdet_centernet.version import MINIMUM_VERSIONS
from mmdet_centernet_operators.stand_in import use_in_this_process

SEE_DOCTOR = '`mmdet_centernet doctor` checks the environment.'


def check_versions() -> None:
    """Checks that torch, mmengine, mmcv and mmdet work and are recent enough.

    Raises:
        ImportError: If one is missing, broken or too old, or torch does not work with
            the installed numpy; the message says what to install.
    """
    for name, minimum in MINIMUM_VERSIONS.items():
        _check_version(name, minimum)
    _check_numpy()


def _check_numpy() -> None:
    """Fails for torch before 2.3, built for numpy 1, beside numpy 2."""
    import numpy as np
    import torch

    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        raise ImportError(
            f'torch {torch.__version__} cannot use numpy {np.__version__} ({error}): '
            f'pip install "numpy<2", or a newer torch. {SEE_DOCTOR}'
        ) from error


def load_operators() -> None:
    """Imports mmcv's operators, which `mmdet.models` needs.

    If mmcv has no compiled operators, ``mmdet_centernet_operators`` replaces them.

    Raises:
        ImportError: If mmcv has compiled operators that cannot be loaded.
    """
    use_in_this_process()
    try:
        importlib.import_module('mmcv.ops')
    except ImportError as error:
        raise ImportError(
            f'mmcv cannot load its compiled operators ({error}). They were built '
            'against another torch. mmdet_centernet needs none of them: '
            'pip uninstall -y mmcv && pip install "mmcv-lite>=2.0.0,<2.2.0". Or build '
            f'them again in this environment. {SEE_DOCTOR}'
        ) from error


def _check_version(name: str, minimum: str) -> None:
    found = _version_of(name, minimum)
    from mmengine.utils import digit_version

    if digit_version(found) < digit_version(minimum):
        raise ImportError(
            f'mmdet_centernet needs {name}>={minimum}, but {found} is installed: '
            f'pip install -U "{name}>={minimum}". {SEE_DOCTOR}'
        )


def _version_of(name: str, minimum: str) -> str:
    try:
        return importlib.import_module(name).__version__
    except ModuleNotFoundError as error:
        if error.name != name:
            raise _broken(name, error) from error
        raise ImportError(
            f'mmdet_centernet needs {name}, which is not installed: '
            f'pip install "{name}>={minimum}". {SEE_DOCTOR}'
        ) from error
    # Broken libraries raise any exception type; mmdet asserts on mmcv's version.
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> ImportError:
    return ImportError(
        f'mmdet_centernet needs {name}, which cannot be imported '
        f'({type(error).__name__}: {error}). {SEE_DOCTOR}'
    )
