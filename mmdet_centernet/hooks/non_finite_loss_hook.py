"""Which image, which term made the loss infinite?"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops training at a loss that is not finite, before it reaches the weights.

    To find a cause: reading every loss makes the host wait for the device at each step,
    so leave it out when all is well. mmdet's ``CheckInvalidLossHook`` looks now and
    then, after the weights have changed.

    It takes any model whose losses mmengine takes. Where that has several batches a
    step, as in semi-supervised training, it names the terms and all images.

    Raises:
        FloatingPointError: During training, with the terms and the images.
    """

    def before_train(self, runner: Runner) -> None:
        """Start to listen to the model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._listener = model.register_forward_hook(_check, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Stop to listen."""
        self._listener.remove()


def _check(model: nn.Module, args: Any, kwargs: dict, outputs: Any) -> None:
    if not isinstance(outputs, dict):
        return  # no losses
    if terms := broken_terms(outputs):
        given = {**dict(zip(('inputs', 'data_samples'), args, strict=False)), **kwargs}
        inputs, samples = given.get('inputs'), given.get('data_samples')
        found = _alone(model, inputs, samples)
        batch = ', '.join(map(_name, _flat(samples)))
        raise FloatingPointError(
            f'{", ".join(terms)} of a batch not finite{found}. The batch: {batch}. '
            'Look at these images and their boxes (`mmdet_centernet browse-targets`). '
            'If they are fine, the weights went astray before: lower the learning '
            'rate, warm up longer or clip gradients (optim_wrapper.clip_grad)'
        )


def _alone(model: nn.Module, inputs: Any, samples: Any) -> str:
    """Which images are to blame, if the model takes one image."""
    if not isinstance(inputs, Tensor) or not hasattr(model, 'loss'):
        return ''
    try:
        images = broken_images(model, inputs, samples)
    except Exception:  # of norms that want several values, say: the terms count
        return ''
    return f'; alone in {", ".join(images)}' if images else '; in no image alone'


def _flat(samples: Any) -> list[Any]:
    """The samples of all branches."""
    if isinstance(samples, dict):
        return [sample for branch in samples.values() for sample in _flat(branch)]
    return list(samples or [])


def broken_terms(losses: dict[str, Any]) -> list[str]:
    """Names of the losses, tensors or lists of them, that are not finite."""
    return [
        name
        for name, value in losses.items()
        for values in [value if isinstance(value, list) else [value]]
        if not all(one.isfinite().all() for one in values if isinstance(one, Tensor))
    ]


@torch.no_grad()
def broken_images(
    detector: Any, inputs: Tensor, samples: list[DetDataSample]
) -> list[str]:
    """Files of the images whose loss is not finite without the rest of the batch.

    Args:
        detector: In training, which ends here: statistics of norms may change.
        inputs: (B, 3, H, W) preprocessed images.
        samples: B samples.
    """
    return [
        _name(sample)
        for image, sample in zip(inputs, samples, strict=True)
        if broken_terms(detector.loss(image[None], [sample]))
    ]


def _name(sample: Any) -> str:
    known = sample.get('img_path') if isinstance(sample, BaseDataElement) else None
    return 'an image without img_path' if known is None else str(known)
