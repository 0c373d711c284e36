"""Can this environment run the package, and if not, what mends it?

Versions are asked of the modules themselves: mmdet, mmcv and mmengine come under more
than one distribution name, and any of them will do. There are lower bounds only, since
an upper one would refuse releases that nobody has seen fail.
"""

from __future__ import annotations

import importlib
import sys

from mmdet_centernet_operators.stand_in import use_in_this_process

# mmengine: reads the `mmdet::` bases of the shipped configs. torch: the oldest that the
# tests were run with. mmdet: its last release. mmcv: what that mmdet takes.
MINIMUM_VERSIONS = {
    'mmengine': '0.10.0',
    'torch': '2.0.1',
    'mmcv': '2.0.0',
    'mmdet': '3.3.0',
}

DOCTOR = 'mmdet_centernet.doctor'
SEE_DOCTOR = '`mmdet_centernet doctor` looks at the whole environment.'


def doctor_is_called() -> bool:
    """Whether Python was started as ``python -m mmdet_centernet.doctor``.

    It imports this package on the way to the doctor, who has to work where the package
    does not. Until the module is found ``sys.argv`` starts with ``-m``.
    """
    called = any(argument.endswith(DOCTOR) for argument in sys.orig_argv)
    return sys.argv[:1] == ['-m'] and called


def check_versions() -> None:
    """Checks that torch, mmengine, mmcv and mmdet are here, work and are recent enough.

    Raises:
        ImportError: If one is missing, broken or too old, or torch does not work with
            the numpy that is installed; the message says what to install.
    """
    for name, minimum in MINIMUM_VERSIONS.items():
        _check_version(name, minimum)
    _check_numpy()


def _check_numpy() -> None:
    """Before 2.3 torch was built for numpy 1, which shows in the first step only."""
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

    Where mmcv has no compiled ones, those of ``mmdet_centernet_operators`` take their
    place.

    Raises:
        ImportError: If mmcv has compiled operators that cannot be loaded.
    """
    use_in_this_process()
    try:
        importlib.import_module('mmcv.ops')
    except ImportError as error:
        raise ImportError(
            f'mmcv cannot load its compiled operators ({error}). They were built '
            'against another torch. Do without them, since mmdet_centernet brings its '
            'own: pip uninstall -y mmcv && pip install "mmcv-lite>=2.0.0,<2.2.0". Or '
            f'build them again in this environment. {SEE_DOCTOR}'
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
    # Whatever a broken library raises: mmdet asserts that it likes mmcv's version.
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> ImportError:
    return ImportError(
        f'mmdet_centernet needs {name}, which cannot be imported '
        f'({type(error).__name__}: {error}). {SEE_DOCTOR}'
    )
