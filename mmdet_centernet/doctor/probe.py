"""What happens when each library is used?

Its arguments are a file to write and configs to look into. It runs in a process of its
own, since a broken library may take that down, and does not import mmdet_centernet
before it is asked to. Each step leaves a line of json in the file when it begins and
one when it ends.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

Facts = dict[str, Any]
WEIGHTS = 'torchvision://'
"""How a config asks for weights whose address torchvision knows."""


class Step(NamedTuple):
    """How a step ended.

    Attributes:
        facts: What it found out.
        error: What went wrong, or None.
        missing: The module that is not installed, where that is what went wrong.
    """

    facts: Facts
    error: str | None = None
    missing: str | None = None


def version(name: str) -> Facts:
    """A library, just imported."""
    return dict(version=str(importlib.import_module(name).__version__))


def opencv() -> Facts:
    """Opencv, called with a numpy array."""
    import cv2
    import numpy as np

    cv2.resize(np.zeros((2, 2), np.uint8), (4, 4))
    return version('cv2')


def torch() -> Facts:
    """Torch itself."""
    import torch as library

    return dict(version=library.__version__, cuda=library.version.cuda)


def torch_numpy() -> Facts:
    """Torch and numpy, handing arrays to each other."""
    import numpy as np
    import torch as library

    library.from_numpy(np.zeros(1)).numpy()
    return {}


def pycocotools() -> Facts:
    """The compiled part of pycocotools, called with a numpy array."""
    import numpy as np
    import pycocotools.mask

    pycocotools.mask.encode(np.zeros((2, 2), np.uint8, order='F'))
    return {}


def config_bases() -> Facts:
    """How mmengine finds the packages of bases such as ``mmdet::_base_/...``."""
    from mmengine.utils import is_installed

    is_installed('mmdet')
    return {}


def operators() -> Facts:
    """The operators of mmcv, or those that stand in where it has no compiled ones."""
    from mmdet_centernet_operators.stand_in import use_in_this_process

    use_in_this_process()
    from mmcv.ops import get_compiling_cuda_version

    return dict(cuda=get_compiling_cuda_version())


def models() -> Facts:
    """Mmdet's models, which import mmcv's operators."""
    importlib.import_module('mmdet.models')
    return {}


def dcn() -> Facts:
    """A deformable convolution on the CPU."""
    _deform('cpu')
    return {}


def gpu() -> Facts:
    """A convolution and a deformable one on the GPU."""
    import torch as library

    if not library.cuda.is_available():
        raise RuntimeError('torch sees none')
    major, minor = library.cuda.get_device_capability()
    name = library.cuda.get_device_name()
    library.nn.functional.conv2d(*(_zeros('cuda', size) for size in (4, 3)))
    _deform('cuda')
    return dict(name=name, capability=f'sm_{major}{minor}')


def plugin() -> Facts:
    """This package."""
    import mmdet_centernet

    return dict(file=mmdet_centernet.__file__)


def checkpoint() -> Facts:
    """What mmengine saves, read by mmengine: torch may refuse what it doesn't know."""
    import torch as library
    from mmengine.logging import HistoryBuffer
    from mmengine.runner import CheckpointLoader

    log = dict(loss=HistoryBuffer([1.0], [1]))
    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/epoch_1.pth'
        library.save(dict(message_hub=log), path)
        CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
    return {}


def torchvision() -> Facts:
    """Torchvision and an operator of it."""
    facts = version('torchvision')
    importlib.import_module('torchvision.ops')
    return facts


def mim() -> Facts:
    """Openmim's command line."""
    import mim as library

    importlib.import_module('mim.commands.train')
    return dict(version=library.__version__)


STEPS: dict[str, Callable[[], Facts]] = dict(
    numpy=partial(version, 'numpy'),
    opencv=opencv,
    torch=torch,
    torch_numpy=torch_numpy,
    pycocotools=pycocotools,
    mmengine=partial(version, 'mmengine'),
    config_bases=config_bases,
    mmcv=partial(version, 'mmcv'),
    operators=operators,
    mmdet=partial(version, 'mmdet'),
    models=models,
    plugin=plugin,
    checkpoint=checkpoint,
    dcn=dcn,
    gpu=gpu,
    torchvision=torchvision,
    onnx=partial(version, 'onnx'),
    onnxruntime=partial(version, 'onnxruntime'),
    mim=mim,
)
"""A library stands behind those that it needs."""


def config_weights(path: str) -> Facts:
    """Which weights of torchvision a config starts from."""
    from mmengine.config import Config

    texts = _texts(Config.fromfile(path).to_dict())
    return dict(weights=sorted({text for text in texts if text.startswith(WEIGHTS)}))


def run_steps(configs: list[str]) -> Iterator[tuple[str, Step | None]]:
    """Use one library after the other.

    Args:
        configs: Paths of configs to look into.

    Yields:
        A name, with None before the step and with its end after it.
    """
    looks = {f'config {path}': partial(config_weights, path) for path in configs}
    for name, call in (STEPS | looks).items():
        yield name, None
        yield name, _end_of(call)


def _end_of(call: Callable[[], Facts]) -> Step:
    try:
        return Step(call())
    except ModuleNotFoundError as error:
        return Step({}, f'{type(error).__name__}: {error}', error.name)
    # Whatever a broken library raises is what is to be found out.
    except Exception as error:
        return Step({}, f'{type(error).__name__}: {error}')


def _zeros(device: str, size: int) -> Any:
    import torch as library

    return library.zeros(1, 1, size, size, device=device)


def _deform(device: str) -> None:
    """Run mmcv's DCNv2 once."""
    import torch as library
    from mmcv.ops import modulated_deform_conv2d

    image, weight = _zeros(device, 4), _zeros(device, 3)
    offset, mask = (library.zeros(1, n, 4, 4, device=device) for n in (18, 9))
    modulated_deform_conv2d(image, offset, mask, weight, None, 1, 1, 1, 1, 1)


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def main() -> None:
    """Write what the steps find out."""
    out, *configs = sys.argv[1:]
    with Path(out).open('w', encoding='utf-8', buffering=1) as file:
        for name, step in run_steps(configs):
            file.write(json.dumps([name, step]) + '\n')


if __name__ == '__main__':
    main()
