"""Imports and calls one library after the other and records how that ends.

    python -m mmdet_centernet_doctor.probe OUT [CONFIG ...]

Runs in a process of its own, since a broken library can crash Python. OUT gets one line
of JSON when a step begins and one when it ends.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

Facts = dict[str, Any]


class Step(NamedTuple):
    """How a step ended."""

    facts: Facts
    error: str | None = None
    missing: str | None = None  # the module that is not installed, if that is the error


def _version(name: str, *submodules: str) -> Facts:
    library = import_module(name)
    for submodule in submodules:
        import_module(f'{name}.{submodule}')
    return dict(version=str(library.__version__))


def _opencv() -> Facts:
    import cv2
    import numpy as np

    cv2.resize(np.zeros((2, 2), np.uint8), (4, 4))
    return _version('cv2')


def _torch() -> Facts:
    import torch

    return dict(version=torch.__version__, cuda=torch.version.cuda)


def _torch_numpy() -> None:
    import numpy as np
    import torch

    torch.from_numpy(np.zeros(1)).numpy()


def _pycocotools() -> None:
    import numpy as np
    import pycocotools.mask

    pycocotools.mask.encode(np.zeros((2, 2), np.uint8, order='F'))


def _config_bases() -> None:
    """Finds mmdet as mmengine does for bases such as ``mmdet::_base_/...``."""
    from mmengine.utils import is_installed

    is_installed('mmdet')


def _operators() -> Facts:
    from mmdet_centernet_operators.stand_in import use_in_this_process

    use_in_this_process()
    from mmcv.ops import get_compiling_cuda_version

    return dict(cuda=get_compiling_cuda_version())


def _checkpoint() -> None:
    """Saves and loads what mmengine puts into checkpoints, which torch may refuse."""
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.runner import CheckpointLoader

    log = dict(loss=HistoryBuffer([1.0], [1]))
    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/epoch_1.pth'
        torch.save(dict(message_hub=log), path)
        CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')


def _dcn(device: str = 'cpu') -> None:
    import torch
    from mmcv.ops import modulated_deform_conv2d

    zeros = partial(torch.zeros, 1, device=device)
    image, offset, mask = (zeros(channels, 4, 4) for channels in (1, 18, 9))
    weight = zeros(1, 3, 3)
    modulated_deform_conv2d(image, offset, mask, weight, None, 1, 1, 1, 1, 1)


def _gpu() -> Facts:
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError('torch sees none')
    major, minor = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    image = torch.zeros(1, 1, 4, 4, device='cuda')
    torch.nn.functional.conv2d(image, image)
    _dcn('cuda')
    return dict(name=name, capability=f'sm_{major}{minor}')


STEPS: dict[str, Callable[[], Facts | None]] = dict(
    numpy=partial(_version, 'numpy'),
    opencv=_opencv,
    torch=_torch,
    torch_numpy=_torch_numpy,
    pycocotools=_pycocotools,
    mmengine=partial(_version, 'mmengine'),
    config_bases=_config_bases,
    mmcv=partial(_version, 'mmcv'),
    operators=_operators,
    mmdet=partial(_version, 'mmdet'),
    models=partial(_version, 'mmdet', 'models'),  # imports mmcv's operators
    plugin=partial(_version, 'mmdet_centernet'),
    checkpoint=_checkpoint,
    dcn=_dcn,
    gpu=_gpu,
    torchvision=partial(_version, 'torchvision', 'ops'),
    onnx=partial(_version, 'onnx'),
    onnxruntime=partial(_version, 'onnxruntime'),
    mim=partial(_version, 'mim', 'commands.train'),
)
"""Each library comes after those that it needs."""


def _config(path: str) -> Facts:
    """Finds weights in a config whose address only torchvision knows."""
    from mmengine.config import Config

    config = str(Config.fromfile(path).to_dict())
    return dict(weights=sorted(set(re.findall(r'torchvision://[\w./-]+', config))))


def run_steps(configs: list[str]) -> Iterator[tuple[str, Step | None]]:
    """Yields name and None before each step, name and result after it."""
    checks = {f'config {path}': partial(_config, path) for path in configs}
    for name, call in (STEPS | checks).items():
        yield name, None
        yield name, _result(call)


def _result(call: Callable[[], Facts | None]) -> Step:
    try:
        return Step(call() or {})
    # Broken libraries raise any exception type.
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        return Step({}, f'{type(error).__name__}: {error}', missing)


def main() -> None:
    """Writes the results of all steps."""
    out, *configs = sys.argv[1:]
    with Path(out).open('w', encoding='utf-8', buffering=1) as file:
        for name, step in run_steps(configs):
            file.write(json.dumps([name, step]) + '\n')


if __name__ == '__main__':
    main()
