"""Which image, which term made the loss infinite?"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmdet_centernet.hooks.heatmap_hook import find_detector


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops training at a loss that is not finite, before it reaches the weights.

    To find a cause: reading every loss makes the host wait for the device at each step,
    so leave it out when all is well. mmdet's ``CheckInvalidLossHook`` looks now and
    then, after the weights have changed.

    Raises:
        FloatingPointError: During training, with the terms and the images.
        ValueError: At the start, if the model is no detector with a ``CTDetHead``.
    """

    def before_train(self, runner: Runner) -> None:
        """Start to listen to the detector."""
        detector = find_detector(runner.model)
        self._listener = detector.register_forward_hook(_check, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Stop to listen."""
        self._listener.remove()


def _check(detector: BaseDetector, args: Any, kwargs: dict, outputs: Any) -> None:
    if not isinstance(outputs, dict):
        return  # no losses
    if terms := broken_terms(outputs):
        inputs, samples = kwargs['inputs'], kwargs['data_samples']
        images = broken_images(detector, inputs, samples)
        found = f'alone in {", ".join(images)}' if images else 'in no image alone'
        batch = ', '.join(map(_name, samples))
        raise FloatingPointError(
            f'{", ".join(terms)} of a batch not finite; {found}. The batch: {batch}. '
            'Look at these images and their boxes (tools/browse_targets.py). If they '
            'are fine, the weights went astray before: lower the learning rate, warm '
            'up longer or clip gradients (optim_wrapper.clip_grad)'
        )


def broken_terms(losses: dict[str, Tensor | list[Tensor]]) -> list[str]:
    """Names of the losses that are not finite."""
    return [
        name
        for name, value in losses.items()
        for values in [value if isinstance(value, list) else [value]]
        if not all(one.isfinite().all() for one in values)
    ]


@torch.no_grad()
def broken_images(
    detector: BaseDetector, inputs: Tensor, samples: list[DetDataSample]
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


def _name(sample: DetDataSample) -> str:
    return str(sample.get('img_path', 'an image without img_path'))
