"""What did the network see: boxes and heatmap over the image, every n images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.dist import master_only
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from mmdet_centernet.hooks.heatmap_picture import draw_prediction, spread_heatmap
from mmdet_centernet.models import CTDetHead


@HOOKS.register_module()
class HeatmapVisualizationHook(Hook):
    """Draws ground truth, detections and the predicted heatmap side by side.

    Works during validation and test, in the pixels of the original image. The pictures
    go to the backends of the runner's visualizer: with mmengine's ``LocalVisBackend``
    to ``vis_data/vis_image/`` in the folder of the run.

    Args:
        interval: Draw one image of this many.
        score_thr: Leave out detections that score lower.

    Raises:
        ValueError: If ``interval`` is not positive, or at the start of validation or
            test if the model has no ``CTDetHead``.
    """

    def __init__(self, interval: int = 50, score_thr: float = 0.3) -> None:
        if interval < 1:
            raise ValueError(f'interval is {interval}; it has to be 1 or more')
        self.interval = interval
        self.score_thr = score_thr

    def before_val(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._listen(runner)

    def before_test(self, runner: Runner) -> None:
        """Start to listen to the head."""
        self._listen(runner)

    def after_val(self, runner: Runner) -> None:
        """Stop to listen."""
        self._listener.remove()

    def after_test(self, runner: Runner) -> None:
        """Stop to listen."""
        self._listener.remove()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Draw the images of a batch that are due."""
        self._look_at_batch(runner, 'val', outputs or [])

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Draw the images of a batch that are due."""
        self._look_at_batch(runner, 'test', outputs or [])

    def _listen(self, runner: Runner) -> None:
        """Keep what the head puts out, since predictions don't carry it."""
        self._head = find_head(runner.model)
        self._num_seen = 0
        self._listener = self._head.register_forward_hook(self._keep_logits)

    def _keep_logits(self, head: nn.Module, inputs: Any, outputs: Any) -> None:
        heatmaps, _, _ = outputs
        self._logits = heatmaps[-1]

    @master_only
    def _look_at_batch(
        self, runner: Runner, mode: str, outputs: Sequence[DetDataSample]
    ) -> None:
        for sample, logits in zip(outputs, self._logits, strict=True):
            if self._num_seen % self.interval == 0:
                self._draw(runner, mode, sample, logits)
            self._num_seen += 1

    def _draw(
        self, runner: Runner, mode: str, sample: DetDataSample, logits: Tensor
    ) -> None:
        """Draw one image.

        Args:
            runner: Its visualizer draws and stores.
            mode: Begins the name of the picture.
            sample: Ground truth, where there is one, and detections.
            logits: (C, H, W) predicted heatmap.
        """
        image = mmcv.imfrombytes(get(sample.img_path), channel_order='rgb')
        heatmap = logits.float().sigmoid().amax(dim=0).cpu().numpy()
        found = sample.pred_instances
        picture = draw_prediction(
            runner.visualizer,
            image,
            spread_heatmap(heatmap, sample.metainfo, self._head.stride),
            sample.get('gt_instances'),
            found[found.scores >= self.score_thr],
        )
        name = f'{mode}_{Path(sample.img_path).stem}'
        runner.visualizer.add_image(name, picture, step=runner.iter)


def find_head(model: nn.Module) -> CTDetHead:
    """The CenterNet head of a model, however deep it is wrapped.

    Raises:
        ValueError: If there is none.
    """
    for module in model.modules():
        if isinstance(module, CTDetHead):
            return module
    raise ValueError(
        f'{type(model).__name__} has no CTDetHead whose heatmap could be drawn: remove '
        'HeatmapVisualizationHook from custom_hooks'
    )
