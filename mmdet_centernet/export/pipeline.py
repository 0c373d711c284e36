"""Converts a test pipeline to steps that `tools/predict_onnx.py` runs without mmdet.

The steps are stored in the metadata of the ONNX file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomCenterCropPad, Resize
from mmdet.registry import TRANSFORMS
from mmdet.utils import ConfigType, get_test_pipeline_cfg
from mmengine.config import Config

from mmdet_centernet.config_types import type_name
from mmdet_centernet.transforms import CenterAffine

Step = tuple[str, dict[str, Any]]

UNSEEN = ('LoadAnnotations', 'LoadProperties', 'PackDetInputs', 'PackPropertyInputs')
"""Transforms that do not change images."""


class PipelineSteps(NamedTuple):
    """The steps of a test pipeline that change the image.

    Attributes:
        steps: Names of the steps with their arguments, in order: ``resize`` with
            ``scale`` (width, height) or ``factor`` (of width and height) and
            ``keep_ratio``; ``center_pad`` with ``pad``, where sides become multiples of
            ``pad + 1``; ``center_fit`` with ``size`` (width, height).
        dtype: ``float32`` if pixels are interpolated without rounding, else ``uint8``.
    """

    steps: list[Step]
    dtype: str

    @property
    def multiple(self) -> int:
        """Known common divisor of width and height of all preprocessed images."""
        pads = [step['pad'] + 1 for name, step in self.steps if name == 'center_pad']
        return pads[-1] if pads else 1


def find_pipeline(cfg: Config) -> Sequence[ConfigType]:
    """Returns the test pipeline of a config.

    Args:
        cfg: Config of a detector.

    Returns:
        The pipeline of the test data, else of the validation data, else
        ``test_pipeline``.

    Raises:
        ValueError: If the config has none of the three.
    """
    for name in ('test_dataloader', 'val_dataloader'):
        if cfg.get(name):
            with contextlib.suppress(RuntimeError):  # a dataset without a pipeline
                return get_test_pipeline_cfg(Config(dict(test_dataloader=cfg[name])))
    if not cfg.get('test_pipeline'):
        raise ValueError(
            'the config has no test pipeline: add test_dataloader, val_dataloader or '
            'test_pipeline'
        )
    return cfg.test_pipeline


def describe_pipeline(pipeline: Sequence[ConfigType]) -> PipelineSteps:
    """Converts a test pipeline to steps.

    Args:
        pipeline: Configs of its transforms.

    Raises:
        ValueError: If a transform or one of its arguments is not supported outside
            mmdet.
    """
    steps: list[Step] = []
    to_float = False
    for cfg in pipeline:
        if type_name(cfg) in UNSEEN:
            continue
        transform = TRANSFORMS.build(cfg)
        if type(transform) is LoadImageFromFile:
            to_float = _reads_float(transform)
        else:
            steps.append(_describe(transform))
    interpolated = any(name != 'center_pad' for name, _ in steps)
    return PipelineSteps(steps, 'float32' if to_float and interpolated else 'uint8')


def _describe(transform: Callable) -> Step:
    """Converts a transform to a step."""
    describe = _STEPS.get(type(transform))
    if describe is None:
        known = ', '.join(kind.__name__ for kind in _STEPS)
        raise ValueError(
            f'the test pipeline has a {type(transform).__name__}, which cannot be '
            f'exported; {known} can'
        )
    return describe(transform)


def _reads_float(load: LoadImageFromFile) -> bool:
    _demand(load, color_type='color', imdecode_backend='cv2')
    return load.to_float32


def _describe_resize(resize: Resize) -> Step:
    _demand(resize, interpolation='bilinear', backend='cv2')
    keep_ratio = bool(resize.keep_ratio)
    if resize.scale is not None:
        return 'resize', dict(scale=list(resize.scale), keep_ratio=keep_ratio)
    factor = resize.scale_factor
    factors = [factor, factor] if isinstance(factor, (int, float)) else list(factor)
    return 'resize', dict(factor=factors, keep_ratio=keep_ratio)


def _describe_crop_pad(crop_pad: RandomCenterCropPad) -> Step:
    _demand(crop_pad, test_mode=True, test_pad_add_pix=1)
    mode, pad = crop_pad.test_pad_mode
    if mode != 'logical_or' or any(crop_pad.mean):
        raise ValueError(
            'RandomCenterCropPad of the test pipeline can only be exported with '
            "test_pad_mode=['logical_or', pad] and mean=[0, 0, 0]"
        )
    return 'center_pad', dict(pad=pad)


def _describe_center_affine(affine: CenterAffine) -> Step:
    _demand(affine, scale=1.0)
    if affine.size is not None:
        return 'center_fit', dict(size=list(affine.size))
    return 'center_pad', dict(pad=affine.pad)


def _demand(transform: Any, **values: Any) -> None:
    """Checks that arguments have the only values that the runner supports."""
    for name, value in values.items():
        found = getattr(transform, name)
        if found != value:
            raise ValueError(
                f'{type(transform).__name__} of the test pipeline has {name}={found!r};'
                f' it can only be exported with {value!r}'
            )


# STEPS of tools/predict_onnx.py runs these steps. A new step has to be added there too;
# older runners refuse it by its name. Raise FORMAT_VERSION if the arguments or the
# result of an existing step change.
_STEPS: dict[type, Callable[[Any], Step]] = {
    Resize: _describe_resize,
    RandomCenterCropPad: _describe_crop_pad,
    CenterAffine: _describe_center_affine,
}
