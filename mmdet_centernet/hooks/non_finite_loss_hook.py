"""Hook that stops training at a loss that is not finite."""

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
    """Stops training at a loss that is not finite, before the optimizer step.

    Use it to find a cause only: reading every loss costs a sync per step. mmdet's
    ``CheckInvalidLossHook`` checks every n steps, after the weights have changed.

    It works with any model. If a step has several batches, as in semi-supervised
    training, it names the terms and all images.

    Raises:
        FloatingPointError: During training; names the loss terms and the images.
    """

    def before_train(self, runner: Runner) -> None:
        """Registers a forward hook on the model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._handle = model.register_forward_hook(_check, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Removes the forward hook."""
        self._handle.remove()


def _check(model: nn.Module, args: Any, kwargs: dict, outputs: Any) -> None:
    if not isinstance(outputs, dict):
        return  # not in mode loss
    if terms := broken_terms(outputs):
        given = {**dict(zip(('inputs', 'data_samples'), args, strict=False)), **kwargs}
        inputs, samples = given.get('inputs'), given.get('data_samples')
        causes = _causes(model, inputs, samples)
        batch = ', '.join(map(_name, _flat(samples)))
        raise FloatingPointError(
            f'{", ".join(terms)} not finite{causes}. Images of the batch: {batch}. '
            'Check these images and their boxes (`mmdet_centernet browse-targets`). '
            'If they are correct, the weights have diverged: lower the learning rate, '
            'warm up longer or clip gradients (optim_wrapper.clip_grad)'
        )


def _causes(model: nn.Module, inputs: Any, samples: Any) -> str:
    """Names the images that cause it alone; '' if the model needs a full batch."""
    if not isinstance(inputs, Tensor) or not hasattr(model, 'loss'):
        return ''
    try:
        images = non_finite_images(model, inputs, samples)
    except Exception:  # batch norm, for example, rejects a single value
        return ''
    return (
        f' (caused by {", ".join(images)})'
        if images
        else ' (no single image causes it)'
    )


def _flat(samples: Any) -> list[Any]:
    """Returns the samples of all branches."""
    if isinstance(samples, dict):
        return [sample for branch in samples.values() for sample in _flat(branch)]
    return list(samples or [])


def broken_terms(losses: dict[str, Any]) -> list[str]:
    """Returns the names of losses, tensors or lists of tensors, that are not finite."""
    return [
        name
        for name, value in losses.items()
        for values in [value if isinstance(value, list) else [value]]
        if not all(one.isfinite().all() for one in values if isinstance(one, Tensor))
    ]


@torch.no_grad()
def non_finite_images(
    detector: Any, inputs: Tensor, samples: list[DetDataSample]
) -> list[str]:
    """Returns the files of images whose loss is not finite in a batch of one.

    Args:
        detector: In training mode; statistics of its norms may change.
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
