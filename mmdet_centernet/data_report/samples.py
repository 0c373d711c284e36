"""What the head will be taught about an image, straight from the training pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import MessageHub
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.config_types import type_name
from mmdet_centernet.hooks.heatmap_view import recover_image
from mmdet_centernet.label_names import label_names
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.models.find_detectors import find_detector_cfg
from mmdet_centernet.models.object_fields import read_fields
from mmdet_centernet.reason import reason

SUPERVISED = 'sup'
"""What mmdet's semi-supervised pipelines call the branch that has boxes."""


class Sample(NamedTuple):
    """One image on its way into the network.

    Attributes:
        path: The file it was made of.
        image: (height, width, 3) uint8, RGB: augmented and padded.
        boxes: (N, 4) x1, y1, x2, y2 in pixels of ``image``.
        labels: (N,) classes.
        ignored: (M, 4) regions that are no background.
        targets: What the assigner made of them, B = 1.
        values: (N, row_shape...) of each property by name.
    """

    path: str
    image: np.ndarray
    boxes: Tensor
    labels: Tensor
    ignored: Tensor
    targets: CenterTargets
    values: Mapping[str, np.ndarray] = MappingProxyType({})


class Unseen(NamedTuple):
    """An image that the pipeline or the preprocessor failed on.

    Attributes:
        path: The file, or its number where it is not known.
        reason: What was raised.
    """

    path: str
    reason: str


class OtherHead(ValueError):
    """A model without a ``CTDetHead``, whose targets are not known here."""


class TrainingData:
    """The training set, and the parts of the model that decide about targets.

    An image goes through alone, so that it is padded to itself and not to the largest
    image of a batch.

    Args:
        cfg: Config of a training. The detector may be wrapped, as by mmdet's
            ``SemiBaseDetector``; then images without boxes are passed over.

    Raises:
        OtherHead: If no part of the model has a ``CTDetHead``.
        Exception: Whatever mmdet raises if the set cannot be built.
    """

    def __init__(self, cfg: Config) -> None:
        detector = find_detector_cfg(cfg.get('model') or {})
        if detector is None:
            raise OtherHead(f'{cfg.filename}: {_other_head(cfg.get("model") or {})}')
        self.head: CTDetHead = MODELS.build(
            {**detector['bbox_head'], 'train_cfg': detector.get('train_cfg')}
        )
        self.preprocessor: ImgDataPreprocessor = MODELS.build(
            _preprocessor_cfg(cfg.model, detector)
        )
        self.dataset: BaseDataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.names = _names(cfg.train_dataloader.dataset, self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def samples(self, indices: Sequence[int]) -> Iterator[Sample | Unseen]:
        """Send images through the pipeline, with its chances."""
        for step, index in enumerate(indices):
            # Some batch augmentations ask for the iteration, as a runner counts it.
            MessageHub.get_current_instance().update_info('iter', step)
            try:
                data = _with_boxes(self.dataset[int(index)])
                if data is not None:
                    yield self._sample(data)
            except Exception as error:  # whatever transforms raise
                yield Unseen(self._path(int(index)), reason(error))

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
        values = read_fields([truth], self.head.properties, count)
        return Sample(
            str(sample.get('img_path', 'image')),
            recover_image(pixels, self.preprocessor),
            boxes[:count],
            truth.labels[:count],
            regions,
            targets,
            {name: value.numpy() for name, value in values.items()},
        )

    def _path(self, index: int) -> str:
        try:
            return str(self.dataset.get_data_info(index)['img_path'])
        except Exception:  # datasets of videos or of pairs have no single path
            return f'image {index} of the training set'


def _other_head(model: Mapping[str, Any]) -> str:
    head = model.get('bbox_head')
    if isinstance(head, Mapping):
        return (
            f'model.bbox_head is no CTDetHead but {type_name(head)!r}, whose targets '
            'are not known here'
        )
    return (
        f'the model ({type_name(model) or "none"}) has no bbox_head that is a '
        'CTDetHead, so its targets are not known here'
    )


def _preprocessor_cfg(
    model: Mapping[str, Any], detector: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The one for a single image, where one for several branches wraps it."""
    for owner in (model, detector):
        cfg = owner.get('data_preprocessor')
        if cfg:
            return cfg.get('data_preprocessor') or cfg
    raise ValueError('model.data_preprocessor is missing: mmdet needs one to train')


def _with_boxes(data: dict) -> dict | None:
    """The branch with boxes of an image, if the pipeline made several; maybe none."""
    if not isinstance(data['inputs'], Mapping):
        return data
    if data['inputs'].get(SUPERVISED) is None:
        return None
    return {key: branches[SUPERVISED] for key, branches in data.items()}


def _names(cfg: Mapping[str, Any], dataset: BaseDataset) -> tuple[str, ...]:
    try:
        return label_names(cfg)
    except Exception:  # files disagree, which the report says, or are of no known kind
        return tuple(dataset.metainfo.get('classes') or ())
