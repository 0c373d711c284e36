"""What was the network asked for, and what did it see: pictures every n images."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn

from mmdet_centernet.hooks.heatmap_picture import draw_view
from mmdet_centernet.hooks.heatmap_view import (
    View,
    network_view,
    original_view,
)
from mmdet_centernet.hooks.picture_names import PictureNames
from mmdet_centernet.label_names import label_names
from mmdet_centernet.models.find_detectors import find_detectors
from mmdet_centernet.reason import reason


@HOOKS.register_module()
class HeatmapVisualizationHook(Hook):
    """Draws ground truth and detections, and below them target and predicted heatmap.

    Objects are drawn with their properties; where the head has other points than
    centres, such as joints, target and heatmap of those stand in a third row.

    During training the picture shows what the network saw, augmented and padded; during
    validation and test the original image. With test-time augmentation the heatmap is
    that of the first view. The pictures go to the backends of the runner's visualizer:
    with mmengine's ``LocalVisBackend`` to ``vis_data/vis_image/`` in the folder of the
    run.

    What it cannot draw ends no run: it warns once, with the reason, and draws nothing
    more. In semi-supervised training images of validation and test alone are drawn.

    Args:
        interval: Draw one image of this many during validation and test.
        score_thr: Leave out detections that score lower.
        train_interval: Draw one image of this many during training.

    Raises:
        ValueError: If an interval is not positive.
    """

    _detector: Any
    _inputs: Any
    _samples: Any
    _maps: Any

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
        self._is_aside = False
        self._listeners: list[Any] = []
        self._pictures = PictureNames()
        self._labels: dict[str, tuple[str, ...]] = {}
        self._forget()

    def before_run(self, runner: Runner) -> None:
        """Start to listen to detectors and heads."""
        self._is_aside = False
        with self._never_in_the_way():
            for detector in find_detectors(runner.model):
                self._listeners += [
                    detector.register_forward_pre_hook(
                        self._keep_batch, with_kwargs=True
                    ),
                    detector.bbox_head.register_forward_hook(self._keep_maps),
                    detector.register_forward_hook(self._keep_maps),
                ]

    def after_run(self, runner: Runner) -> None:
        """Stop to listen."""
        while self._listeners:
            self._listeners.pop().remove()

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
            with self._never_in_the_way():
                for index, sample in enumerate(samples or []):
                    if self._is_due(mode):
                        view = self._view(mode, index, sample)
                        path = str(sample.get('img_path', 'image'))
                        self._show(runner, mode, view, path)
        self._forget()

    @contextmanager
    def _never_in_the_way(self) -> Iterator[None]:
        """Draw nothing more after an error, and say which."""
        try:
            yield
        except Exception as error:  # whatever images, heads and backends raise
            self._is_aside = True
            self._forget()
            print_log(
                f'{type(self).__name__} draws nothing more in this run: '
                f'{reason(error)}',
                logger='current',
                level=logging.WARNING,
            )

    def _is_due(self, mode: str) -> bool:
        """Whether the next image is to be drawn."""
        self._num_seen[mode] += 1
        return (self._num_seen[mode] - 1) % self.intervals[mode] == 0

    def _keep_batch(self, detector: BaseDetector, args: Any, kwargs: dict) -> None:
        """Remember what the detector looks at, since only it has the final pixels."""
        names = ('inputs', 'data_samples')
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        self._detector = detector
        self._inputs, self._samples = (given.get(name) for name in names)

    def _keep_maps(
        self, module: nn.Module, inputs: Any, outputs: tuple[list[Tensor], ...] | Any
    ) -> None:
        """Remember what the head puts out, since predictions don't carry it.

        Test-time augmentation gets the maps from the detector, whose mode ``tensor``
        goes past the hooks of the head, and once a view: the first one counts.
        """
        if self._is_aside or self._maps is not None or not isinstance(outputs, tuple):
            return
        with self._never_in_the_way():
            maps = self._detector.bbox_head.name_maps(outputs)
            self._maps = {name: one.detach() for name, one in maps.items()}

    def _forget(self) -> None:
        """Let go of the tensors of an iteration."""
        self._detector = self._inputs = self._samples = self._maps = None

    @torch.no_grad()
    def _view(self, mode: str, index: int, sample: DetDataSample) -> View:
        """One image of the batch with what was found in it."""
        detector = self._detector
        maps = {name: one[index, None] for name, one in self._maps.items()}
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
        if mode not in self._labels:
            self._labels[mode] = _label_names(runner, mode)
        found = view.found[view.found.scores >= self.score_thr]
        picture = draw_view(
            runner.visualizer, view._replace(found=found), self._labels[mode]
        )
        name = f'{mode}_{self._pictures.of(path)}'
        runner.visualizer.add_image(name, picture, step=runner.iter)


def _label_names(runner: Runner, mode: str) -> tuple[str, ...]:
    """What the labels of a dataset mean; none where its config does not say it."""
    try:
        return label_names(runner.cfg[f'{mode}_dataloader']['dataset'])
    except Exception:  # the runner was built without configs, or the format is unknown
        return ()
