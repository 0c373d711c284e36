"""Training images with their targets, as the training pipeline gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import MessageHub
from mmengine.model import ImgDataPreprocessor

from mmdet_centernet.config_types import type_name
from mmdet_centernet.data_report.statistics import shares_cell
from mmdet_centernet.label_names import label_names
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.models.find_detectors import find_detector_cfg
from mmdet_centernet.models.ground_truth import assign_instances, read_fields
from mmdet_centernet.reason import reason
from mmdet_centernet.visualization.draw_targets import TrainingSample
from mmdet_centernet.visualization.image_space import recover_image

SUPERVISED = 'sup'
"""The branch with boxes in mmdet's semi-supervised pipelines."""


class FailedImage(NamedTuple):
    """An image that raised an error in the pipeline, the preprocessor or drawing.

    Attributes:
        path: The file, or a text with its index if the path is unknown.
        reason: The error.
    """

    path: str
    reason: str


class OtherHead(ValueError):
    """A model without a ``CTDetHead``."""


class TrainingData:
    """The training set, with the data preprocessor and the head.

    Each image is a batch of its own, so that it is not padded to other images.

    Args:
        cfg: Config of a training. Another model may wrap the detector, as mmdet's
            ``SemiBaseDetector`` does; then images without boxes are skipped.

    Raises:
        OtherHead: If no part of the model has a ``CTDetHead``.
        Exception: Any error of mmdet if the training set cannot be built.
    """

    def __init__(self, cfg: Config) -> None:
        detector = find_detector_cfg(cfg.get('model') or {})
        if detector is None:
            raise OtherHead(f'{cfg.filename}: {_describe_head(cfg.get("model") or {})}')
        self.head: CTDetHead = MODELS.build(
            {**detector['bbox_head'], 'train_cfg': detector.get('train_cfg')}
        )
        self.preprocessor: ImgDataPreprocessor = MODELS.build(
            _preprocessor_cfg(cfg.model, detector)
        )
        self.dataset: BaseDataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.classes = _classes(cfg.train_dataloader.dataset, self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def samples(self, indices: Sequence[int]) -> Iterator[TrainingSample | FailedImage]:
        """Runs images through the training pipeline, with its random augmentation."""
        for step, index in enumerate(indices):
            # Some batch augmentations read the iteration, which a runner would set.
            MessageHub.get_current_instance().update_info('iter', step)
            try:
                data = _with_boxes(self.dataset[int(index)])
                if data is not None:
                    yield self._sample(data)
            except Exception as error:  # transforms raise any type
                yield FailedImage(self._path(int(index)), reason(error))

    @torch.no_grad()
    def _sample(self, data: dict) -> TrainingSample:
        batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
        batch = self.preprocessor(batch, True)
        pixels, sample = batch['inputs'][0], batch['data_samples'][0]
        ground_truth, ignored = sample.gt_instances, sample.ignored_instances
        height, width = (-(-side // self.head.stride) for side in pixels.shape[1:])
        targets = assign_instances(
            self.head.assigner,
            [ground_truth],
            [ignored],
            (1, self.head.num_classes, height, width),
            self.head.stride,
        )
        count = len(targets.valid)  # the assigner may use only the first boxes
        values = read_fields([ground_truth], self.head.properties, count)
        return TrainingSample(
            str(sample.get('img_path', 'image')),
            recover_image(pixels, self.preprocessor),
            get_box_tensor(ground_truth.bboxes)[:count],
            ground_truth.labels[:count],
            get_box_tensor(ignored.bboxes),
            targets,
            shares_cell(targets, same_class=False),
            {name: value.numpy() for name, value in values.items()},
        )

    def _path(self, index: int) -> str:
        try:
            return str(self.dataset.get_data_info(index)['img_path'])
        except Exception:  # samples of videos or pairs have no single path
            return f'image {index} of the training set'


def _describe_head(model: Mapping[str, Any]) -> str:
    head = model.get('bbox_head')
    if isinstance(head, Mapping):
        return (
            f'model.bbox_head is no CTDetHead but {type_name(head)!r}, whose targets '
            'browse-targets cannot compute'
        )
    return (
        f'the model ({type_name(model) or "none"}) has no bbox_head of type CTDetHead, '
        'and browse-targets cannot compute the targets of other heads'
    )


def _preprocessor_cfg(
    model: Mapping[str, Any], detector: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Returns the preprocessor of one branch if another one wraps it."""
    for owner in (model, detector):
        cfg = owner.get('data_preprocessor')
        if cfg:
            return cfg.get('data_preprocessor') or cfg
    raise ValueError('model.data_preprocessor is missing: mmdet needs one for training')


def _with_boxes(data: dict) -> dict | None:
    """Returns the branch with boxes; None if an image has only other branches."""
    if not isinstance(data['inputs'], Mapping):
        return data
    if data['inputs'].get(SUPERVISED) is None:
        return None
    return {key: branches[SUPERVISED] for key, branches in data.items()}


def _classes(cfg: Mapping[str, Any], dataset: BaseDataset) -> tuple[str, ...]:
    try:
        return label_names(cfg)
    except Exception:  # unknown format, or files disagree, which is a finding
        return tuple(dataset.metainfo.get('classes') or ())
