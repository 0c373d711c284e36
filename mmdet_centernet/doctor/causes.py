"""Why does a step fail, and which command mends that: the known troubles."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmdet_centernet.doctor.mmcv_commands import mmcv_lite
from mmdet_centernet.environment import MINIMUM_VERSIONS

GET_TORCH = 'https://pytorch.org/get-started/locally'
DISTRIBUTIONS = dict(
    opencv='opencv-python-headless', torch_numpy='torch', mim='openmim', dcn='mmcv'
)
"""What pip calls the library of a step, where that is not the step's name."""


class Cause(NamedTuple):
    """One known trouble.

    Attributes:
        step: Regular expression of the steps that may fail for it.
        error: Regular expression that is found in the error.
        what: The trouble in words. Names in braces are groups of ``error`` and what
            the diagnosis knows: ``distribution``, ``version``, ``error`` and so on.
        mend: The command that ends it.
    """

    step: str
    error: str
    what: str
    mend: str


CAUSES = (
    Cause(
        '.*',
        "No module named 'pkg_resources'",
        'setuptools {setuptools} has no pkg_resources, which mmengine, mim and the '
        'build of mmcv import',
        'pip install "setuptools<81"',
    ),
    Cause(
        '.*',
        'ImpImporter',
        'setuptools {setuptools}, which openmim pins, does not run on Python {python}',
        'pip install -U "setuptools>=66.1,<81", and train without mim: '
        'mmdet_centernet train CONFIG',
    ),
    Cause(
        'torch_numpy',
        'Numpy is not available',
        'torch {torch} was compiled against another numpy than {numpy}',
        f'pip install "numpy<2"; or choose a newer torch: {GET_TORCH}',
    ),
    Cause(
        '.*',
        r'numpy\.\w+ size changed|_ARRAY_API not found|compiled using NumPy 1'
        r'|multiarray failed to import',
        '{distribution} was compiled against another numpy than {numpy}',
        'pip install -U --force-reinstall --no-deps --no-cache-dir {distribution}; '
        'where it has no newer release: pip install "numpy<2"',
    ),
    Cause(
        'opencv',
        r'(?P<library>lib\S+): cannot open shared object',
        'opencv wants {library}, which a machine without a desktop lacks',
        'pip uninstall -y {distribution} && pip install opencv-python-headless',
    ),
    Cause(
        'opencv',
        'AttributeError',
        'opencv is torn, as after installing two of its distributions',
        'pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless '
        '&& pip install opencv-python-headless',
    ),
    Cause('mmcv', "No module named 'mmcv'", 'mmcv is not installed', '{mmcv_lite}'),
    Cause(
        'operators|models|dcn',
        r'_ext|libtorch|libc10|libcud|undefined symbol|takes Python down',
        'the compiled operators of mmcv {mmcv} do not fit torch {torch} ({error})',
        '{mmcv_lite}, for mmdet_centernet brings its own; or compile them again: '
        '{build_mmcv}',
    ),
    Cause(
        'mmdet',
        r'(?P<found>MM\w+==\S+) is used but incompatible\. Please install '
        r'(?P<name>mm\w+)>=(?P<least>\S+), <(?P<limit>\S+?)\.?$',
        'mmdet {mmdet} refuses {found}: it takes {name}>={least},<{limit}',
        '{bounded}; or take the maintained fork, which has no upper bound: '
        'pip uninstall -y mmdet && pip install onedl-mmdetection',
    ),
    Cause(
        'plugin',
        r'needs (?P<need>\w+>=[\d.]+), but (?P<found>\S+) is installed',
        'mmdet_centernet needs {need}, {found} is installed',
        'pip install -U "{need}"',
    ),
    Cause(
        'checkpoint',
        'weights_only|[Ww]eights only',
        'torch {torch} refuses to read checkpoints of mmengine (weights_only), though '
        'mmdet_centernet is imported',
        'pip install -U mmdet_centernet',
    ),
    Cause(
        'torchvision',
        'torchvision::|undefined symbol|circular import',
        'torchvision {version} was built for another torch than {torch}',
        'pip install --force-reinstall torchvision "torch=={torch}"',
    ),
    Cause(
        'gpu',
        'torch sees none',
        'torch {torch}, built for CUDA {cuda}, sees no GPU though there is an NVIDIA '
        'driver',
        'nvidia-smi has to name that CUDA version or a newer one, and '
        'CUDA_VISIBLE_DEVICES may not hide the GPU; else choose another torch: '
        f'{GET_TORCH}',
    ),
    Cause(
        'gpu',
        'no kernel image',
        'torch {torch}, or the operators of mmcv, were not compiled for this GPU',
        f'a newer torch: {GET_TORCH}{{mmcv_again}}',
    ),
    Cause(
        'gpu',
        'implementation for device|[Nn]ot compiled with (GPU|CUDA)',
        'mmcv {mmcv} was built without CUDA: DCNv2 runs on the CPU only',
        '{mmcv_lite}, for mmdet_centernet brings operators in plain torch; or compile '
        'faster ones, with FORCE_CUDA=1 set and nvcc in the PATH: {build_mmcv}',
    ),
    Cause(
        '.*',
        r"No module named '(?P<module>[\w.]+)'",
        '{module} is not installed',
        'pip install "{requirement}"',
    ),
    Cause(
        '.*',
        '',
        '{step} does not work ({error})',
        'pip install --force-reinstall --no-deps --no-cache-dir {distribution}',
    ),
)
"""The first that fits counts."""


def find_cause(step: str, error: str) -> tuple[Cause, dict[str, str]]:
    """The cause of an error.

    Args:
        step: Name of the step that failed.
        error: What it said.

    Returns:
        The first of ``CAUSES`` that fits, and what stands in the groups of its error.
    """
    for cause in CAUSES:
        found = re.search(cause.error, error)
        if found and re.fullmatch(cause.step, step):
            return cause, found.groupdict()
    raise AssertionError('the last cause fits everything')


def requirement(module: str) -> str:
    """What to tell pip when a module is missing."""
    name = dict(cv2='opencv-python-headless', mim='openmim').get(module, module)
    return f'{name}>={MINIMUM_VERSIONS[name]}' if name in MINIMUM_VERSIONS else name


def bounded(limits: dict[str, str], mmcv: str) -> str:
    """The command that installs a library within the limits that mmdet sets.

    Args:
        limits: ``name``, ``least`` and ``limit``, or none of them.
        mmcv: The distribution of mmcv that is there; empty if none is.
    """
    if not limits.keys() >= {'name', 'least', 'limit'}:
        return ''
    specifier = '>={least},<{limit}'.format(**limits)
    if limits['name'] == 'mmcv':
        return mmcv_lite(mmcv, specifier)
    return f'pip install "{limits["name"]}{specifier}"'
