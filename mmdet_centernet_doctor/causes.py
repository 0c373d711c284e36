"""Known causes of failing steps and the commands that fix them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmdet_centernet_doctor.commands import GET_TORCH


class Cause(NamedTuple):
    """A known cause; braces in its texts are filled in by the diagnosis."""

    steps: str  # regular expression of the steps that can fail for this reason
    error: str  # regular expression to search for in the error message
    what: str
    fix: str


OWN_OPERATORS = '{mmcv_lite} (mmdet_centernet has operators in plain torch)'
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
        'opencv needs {library}, which machines without a desktop lack',
        'pip uninstall -y {distribution} && pip install opencv-python-headless',
    ),
    Cause(
        'opencv',
        'AttributeError',
        'opencv is incomplete, as after installing two of its distributions',
        'pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless '
        '&& pip install opencv-python-headless',
    ),
    Cause('mmcv', "No module named 'mmcv'", 'mmcv is not installed', '{mmcv_lite}'),
    Cause(
        'operators|models|dcn',
        r'_ext|libtorch|libc10|libcud|undefined symbol|Python crashed',
        'the compiled operators of mmcv {mmcv} do not fit torch {torch} ({error})',
        f'{OWN_OPERATORS}; or compile them again: {{build_mmcv}}',
    ),
    Cause(
        'mmdet',
        r'(?P<found>MM\w+==\S+) is used but incompatible\. Please install '
        r'(?P<name>mm\w+)(?P<versions>>=\S+, <\S+?)\.?$',
        'mmdet {mmdet} refuses {found}: it needs {name}{versions}',
        '{bounded}; or install the maintained fork, which has no upper bound: '
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
        'check that nvidia-smi prints that CUDA version or a newer one and that '
        'CUDA_VISIBLE_DEVICES does not hide the GPU; else choose another torch: '
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
        f'{OWN_OPERATORS}; or compile faster ones, with FORCE_CUDA=1 set and nvcc in '
        'the PATH: {build_mmcv}',
    ),
    Cause(
        'config .*',
        '',
        '{step} cannot be read ({error})',
        'correct the path or the config; what it imports has to be installed',
    ),
    Cause(
        '.*',
        r"No module named '(?P<module>\w+)'",
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
"""The first one that matches counts."""


def find_cause(step: str, error: str) -> tuple[Cause, dict[str, str]]:
    """Returns the cause of a step's error, and the groups of its expression."""
    for cause in CAUSES:
        found = re.search(cause.error, error)
        if found and re.fullmatch(cause.steps, step):
            return cause, found.groupdict()
    raise AssertionError('the last cause matches everything')
