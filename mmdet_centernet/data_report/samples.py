"""What the head will be taught about an image, straight from the training pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.hooks.heatmap_view import recover_image
from mmdet_centernet.models import CTDetHead


class Sample(NamedTuple):
    """One image on its way into the network.

    Attributes:
        path: The file it was made of.
        image: (height, width, 3) uint8, RGB: augmented and padded.
        boxes: (N, 4) x1, y1, x2, y2 in pixels of ``image``.
        labels: (N,) classes.
        ignored: (M, 4) regions that are no background.
        targets: What the assigner made of them, B = 1.
    """

    path: str
    image: np.ndarray
    boxes: Tensor
    labels: Tensor
    ignored: Tensor
    targets: CenterTargets


class TrainingData:
    """The training set, and the parts of the model that decide about targets.

    An image goes through alone, so that it is padded to itself and not to the largest
    image of a batch.

    Args:
        cfg: Config of a training.

    Raises:
        ValueError: If the head of the config is no ``CTDetHead``.
    """

    def __init__(self, cfg: Config) -> None:
        head_cfg = cfg.model.get('bbox_head', {})
        if MODELS.get(head_cfg.get('type', '')) is not CTDetHead:
            raise ValueError(
                f'{cfg.filename}: model.bbox_head is no CTDetHead but '
                f'{head_cfg.get("type")!r}, whose targets are not known here'
            )
        self.head: CTDetHead = MODELS.build(
            {**head_cfg, 'train_cfg': cfg.model.get('train_cfg')}
        )
        self.preprocessor: ImgDataPreprocessor = MODELS.build(
            cfg.model.data_preprocessor
        )
        self.dataset: BaseDataset = DATASETS.build(cfg.train_dataloader.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def samples(self, indices: Sequence[int]) -> Iterator[Sample]:
        """Send images through the pipeline, with its chances."""
        for index in indices:
            yield self._sample(self.dataset[index])

    @torch.no_grad()
    def _sample(self, data: dict) -> Sample:
        batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
        batch = self.preprocessor(batch, True)
        pixels, sample = batch['inputs'][0], batch['data_samples'][0]
        truth, ignored = sample.gt_instances, sample.ignored_instances
        boxes, regions = (get_box_tensor(one.bboxes) for one in (truth, ignored))
        height, width = (-(-side // self.head.stride) for side in pixels.shape[1:])
        targets = self.head.assigner.assign(
            [boxes],
            [truth.labels],
            (1, self.head.num_classes, height, width),
            stride=self.head.stride,
            ignored_boxes=[regions],
        )
        count = len(targets.valid)  # the assigner may look at the first boxes only
        return Sample(
            sample.img_path,
            recover_image(pixels, self.preprocessor),
            boxes[:count],
            truth.labels[:count],
            regions,
            targets,
        )
