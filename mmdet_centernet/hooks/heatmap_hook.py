"""What was the network asked for, and what did it see: pictures every n images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmdet_centernet.hooks.heatmap_picture import draw_view
from mmdet_centernet.hooks.heatmap_view import (
    HeadMaps,
    View,
    network_view,
    original_view,
)
from mmdet_centernet.models import CTDetHead


@HOOKS.register_module()
class HeatmapVisualizationHook(Hook):
    """Draws ground truth and detections, and below them target and predicted heatmap.

    During training the picture shows what the network saw, augmented and padded; during
    validation and test the original image. With test-time augmentation the heatmap is
    that of the first view. The pictures go to the backends of the runner's visualizer:
    with mmengine's ``LocalVisBackend`` to ``vis_data/vis_image/`` in the folder of the
    run.

    Args:
        interval: Draw one image of this many during validation and test.
        score_thr: Leave out detections that score lower.
        train_interval: Draw one image of this many during training.

    Raises:
        ValueError: If an interval is not positive, or at the start of a run if the
            model is no detector with a ``CTDetHead``.
    """

    def __init__(
        self,
        interval: int = 50,
        score_thr: float = 0.3,
        *,
        train_interval: int = 5000,
    ) -> None:
        for name, value in dict(
            interval=interval, train_interval=train_interval
        ).items():
            if value < 1:
                raise ValueError(f'{name} is {value}; it has to be 1 or more')
        self.intervals = dict(train=train_interval, val=interval, test=interval)
        self.score_thr = score_thr
        self._num_seen = dict.fromkeys(self.intervals, 0)
        self._inputs: Any = None
        self._samples: Any = None
        self._maps: Any = None

    def before_run(self, runner: Runner) -> None:
        """Start to listen to detector and head."""
        self._detector = find_detector(runner.model)
        self._listeners = [
            self._detector.register_forward_pre_hook(
                self._keep_batch, with_kwargs=True
            ),
            self._detector.bbox_head.register_forward_hook(self._keep_maps),
            self._detector.register_forward_hook(self._keep_maps),
        ]

    def after_run(self, runner: Runner) -> None:
        """Stop to listen."""
        for listener in self._listeners:
            listener.remove()

    def before_val(self, runner: Runner) -> None:
        """Draw the same images in each validation."""
        self._num_seen['val'] = 0

    def before_test(self, runner: Runner) -> None:
        """Draw the same images in each test."""
        self._num_seen['test'] = 0

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence[DetDataSample] | None = None,
        mode: str = 'train',
    ) -> None:
        """Draw the images of a batch that are due; called after each iteration."""
        if is_main_process() and self._maps is not None:
            samples = self._samples if mode == 'train' else outputs
            for index, sample in enumerate(samples or []):
                if self._is_due(mode):
                    view = self._view(mode, index, sample)
                    self._show(runner, mode, view, sample.img_path)
        self._forget()

    def _is_due(self, mode: str) -> bool:
        """Whether the next image is to be drawn."""
        self._num_seen[mode] += 1
        return (self._num_seen[mode] - 1) % self.intervals[mode] == 0

    def _keep_batch(self, detector: nn.Module, args: Any, kwargs: dict) -> None:
        """Remember what the detector looks at, since only it has the final pixels."""
        names = ('inputs', 'data_samples')
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        self._inputs, self._samples = (given.get(name) for name in names)

    def _keep_maps(
        self, module: nn.Module, inputs: Any, outputs: tuple[list[Tensor], ...] | Any
    ) -> None:
        """Remember what the head puts out, since predictions don't carry it.

        Test-time augmentation gets the maps from the detector, whose mode ``tensor``
        goes past the hooks of the head, and once a view: the first one counts.
        """
        if self._maps is None and isinstance(outputs, tuple):
            self._maps = HeadMaps(*(stacks[-1].detach() for stacks in outputs))

    def _forget(self) -> None:
        """Let go of the tensors of an iteration."""
        self._inputs = self._samples = self._maps = None

    @torch.no_grad()
    def _view(self, mode: str, index: int, sample: DetDataSample) -> View:
        """One image of the batch with what was found in it."""
        detector = self._detector
        maps = HeadMaps(*(stack[index, None] for stack in self._maps))
        if mode != 'train':
            return original_view(detector.bbox_head, sample, maps)
        return network_view(
            detector.bbox_head,
            self._inputs[index],
            sample,
            maps,
            detector.data_preprocessor,
        )

    def _show(self, runner: Runner, mode: str, view: View, path: str) -> None:
        """Draw an image and hand the picture to the visualizer."""
        found = view.found[view.found.scores >= self.score_thr]
        picture = draw_view(runner.visualizer, view._replace(found=found))
        name = f'{mode}_{Path(path).stem}'
        runner.visualizer.add_image(name, picture, step=runner.iter)


def find_detector(model: nn.Module) -> BaseDetector:
    """The detector with a CenterNet head in a model, however deep it is wrapped.

    Raises:
        ValueError: If there is none.
    """
    for module in model.modules():
        if isinstance(getattr(module, 'bbox_head', None), CTDetHead):
            return module
    raise ValueError(
        f'{type(model).__name__} has no bbox_head of type CTDetHead whose heatmap '
        'could be drawn: remove HeatmapVisualizationHook from custom_hooks'
    )
