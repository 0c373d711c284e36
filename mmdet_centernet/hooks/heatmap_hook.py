"""Hook that visualizes predictions, heatmaps and targets every n images."""

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

from mmdet_centernet.label_names import label_names
from mmdet_centernet.models.find_detectors import find_detectors
from mmdet_centernet.reason import reason
from mmdet_centernet.visualization.draw_heatmaps import draw_heatmaps
from mmdet_centernet.visualization.file_names import FileNames
from mmdet_centernet.visualization.heatmap_figure import (
    HeatmapFigure,
    figure_of_file,
    figure_of_input,
)


@HOOKS.register_module()
class HeatmapVisualizationHook(Hook):
    """Draws ground truth and detections, and below them target and predicted heatmap.

    Objects are drawn with their properties. If the head has further point sets, such as
    joints, a third row shows their target and heatmap.

    In training the visualization shows the network input, augmented and padded; in
    validation and test the original image. With test-time augmentation it shows the
    heatmap of the first view. The visualizations go to the backends of the runner's
    visualizer: mmengine's ``LocalVisBackend`` writes them to ``vis_data/vis_image/`` in
    the folder of the run.

    If drawing fails, the hook logs one warning with the reason and draws nothing more;
    the run continues. In semi-supervised training it draws validation and test images
    only.

    Args:
        interval: Draws every ``interval``-th image of validation and test.
        score_thr: Leaves out detections with a lower score.
        train_interval: Draws every ``train_interval``-th image of training.

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
        self._num_images = dict.fromkeys(self.intervals, 0)
        self._is_disabled = False
        self._handles: list[Any] = []
        self._file_names = FileNames()
        self._classes: dict[str, tuple[str, ...]] = {}
        self._release_batch()

    def before_run(self, runner: Runner) -> None:
        """Registers forward hooks on detectors and heads."""
        self._is_disabled = False
        with self._disabled_by_errors():
            for detector in find_detectors(runner.model):
                self._handles += [
                    detector.register_forward_pre_hook(
                        self._keep_batch, with_kwargs=True
                    ),
                    detector.bbox_head.register_forward_hook(self._keep_maps),
                    detector.register_forward_hook(self._keep_maps),
                ]

    def after_run(self, runner: Runner) -> None:
        """Removes the forward hooks."""
        while self._handles:
            self._handles.pop().remove()

    def before_val(self, runner: Runner) -> None:
        """Restarts the count, so that each validation draws the same images."""
        self._num_images['val'] = 0

    def before_test(self, runner: Runner) -> None:
        """Restarts the count, so that each test draws the same images."""
        self._num_images['test'] = 0

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | Sequence[DetDataSample] | None = None,
        mode: str = 'train',
    ) -> None:
        """Draws the images of a batch that are due."""
        if is_main_process() and self._maps is not None:
            samples = self._samples if mode == 'train' else outputs
            with self._disabled_by_errors():
                for index, sample in enumerate(samples or []):
                    if self._is_due(mode):
                        figure = self._figure(mode, index, sample)
                        path = str(sample.get('img_path', 'image'))
                        self._show(runner, mode, figure, path)
        self._release_batch()

    @contextmanager
    def _disabled_by_errors(self) -> Iterator[None]:
        """Logs an error and disables the hook instead of raising it."""
        try:
            yield
        except Exception as error:  # images, heads and backends raise any type
            self._is_disabled = True
            self._release_batch()
            print_log(
                f'{type(self).__name__} draws nothing more in this run: '
                f'{reason(error)}',
                logger='current',
                level=logging.WARNING,
            )

    def _is_due(self, mode: str) -> bool:
        """Counts an image and returns whether to draw it."""
        self._num_images[mode] += 1
        return (self._num_images[mode] - 1) % self.intervals[mode] == 0

    def _keep_batch(self, detector: BaseDetector, args: Any, kwargs: dict) -> None:
        """Keeps the preprocessed batch, which hooks of the runner do not receive."""
        names = ('inputs', 'data_samples')
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        self._detector = detector
        self._inputs, self._samples = (given.get(name) for name in names)

    def _keep_maps(
        self, module: nn.Module, inputs: Any, outputs: tuple[list[Tensor], ...] | Any
    ) -> None:
        """Keeps the output maps of the head, which predictions do not contain.

        Test-time augmentation calls the detector in mode ``tensor``, which bypasses the
        forward hooks of the head, once per view; the first view is kept.
        """
        if self._is_disabled or self._maps is not None:
            return
        if not isinstance(outputs, tuple):
            return
        with self._disabled_by_errors():
            maps = self._detector.bbox_head.name_maps(outputs)
            self._maps = {name: one.detach() for name, one in maps.items()}

    def _release_batch(self) -> None:
        """Drops the references to the tensors of an iteration."""
        self._detector = self._inputs = self._samples = self._maps = None

    @torch.no_grad()
    def _figure(self, mode: str, index: int, sample: DetDataSample) -> HeatmapFigure:
        """Collects the figure of one image of the batch."""
        detector = self._detector
        maps = {name: one[index, None] for name, one in self._maps.items()}
        if mode != 'train':
            return figure_of_file(detector.bbox_head, sample, maps)
        return figure_of_input(
            detector.bbox_head,
            self._inputs[index],
            sample,
            maps,
            detector.data_preprocessor,
        )

    def _show(
        self, runner: Runner, mode: str, figure: HeatmapFigure, path: str
    ) -> None:
        """Draws a figure and hands the visualization to the visualizer."""
        if mode not in self._classes:
            self._classes[mode] = _class_names(runner, mode)
        detections = figure.detections[figure.detections.scores >= self.score_thr]
        image = draw_heatmaps(
            runner.visualizer,
            figure._replace(detections=detections),
            self._classes[mode],
        )
        name = f'{mode}_{self._file_names.of(path)}'
        runner.visualizer.add_image(name, image, step=runner.iter)


def _class_names(runner: Runner, mode: str) -> tuple[str, ...]:
    """Returns the classes in label order; () if the config does not tell them."""
    try:
        return label_names(runner.cfg[f'{mode}_dataloader']['dataset'])
    except Exception:  # a runner built without configs, or an unknown format
        return ()
