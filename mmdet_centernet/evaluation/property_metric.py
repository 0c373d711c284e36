"""Errors of predicted properties.

Legend: K detections, N objects, M pairs of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import METRICS
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmdet.utils import ConfigType
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmdet_centernet.arguments import is_number
from mmdet_centernet.codecs.properties import (
    Property,
    ScalarProperty,
    properties_by_key,
)
from mmdet_centernet.functional.matching import IMPOSSIBLE, match_greedily

Errors = dict[str, np.ndarray]
"""Errors in one image by the name of the property; relative errors of scalars."""

RELATIVE = '_relative'


@METRICS.register_module()
class CTPropertyMetric(BaseMetric):
    """Errors of properties, over detections that are matched to an object.

    Detections are matched in descending order of scores, each to the free object of its
    class that it overlaps most. Unlabeled values do not count. Logs for each property
    ``<name>_mean`` and ``<name>_median`` of :meth:`Property.error`, for scalars also
    the mean error relative to the ground truth, ``<name>_relative``, and the number of
    values, ``<name>_matched``. Errors are nan without matches, and are in pixels of the
    original image.

    Use ``CocoMetric`` besides: the box AP measures how many objects are detected.
    ``save_best='property/<name>_median'`` needs ``rule='less'``.

    Args:
        properties: Configs of the head's properties by name.
        iou_thr: Lowest IoU of a pair.
        score_thr: Detections with a lower score are ignored.
        collect_device: See ``BaseMetric``.
        prefix: See ``BaseMetric``; by default ``property``.

    Raises:
        ValueError: If an argument is out of range.
    """

    default_prefix = 'property'

    def __init__(
        self,
        properties: Mapping[str, ConfigType],
        *,
        iou_thr: float = 0.5,
        score_thr: float = 0.3,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        for name, share in dict(iou_thr=iou_thr, score_thr=score_thr).items():
            if not is_number(share) or not 0 <= share <= 1:
                raise ValueError(f'{name} is {share!r}; it has to lie between 0 and 1')
        by_key = properties_by_key(properties)
        self.properties = dict(zip(properties, by_key.values(), strict=True))
        self.iou_thr = iou_thr
        self.score_thr = score_thr

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Stores the errors of some images.

        Args:
            data_batch: Unused.
            data_samples: ``gt_instances`` and ``pred_instances`` of each.

        Raises:
            ValueError: If a property is missing, or the ground truth is not in pixels
                of the original image.
        """
        for sample in data_samples:
            _check_ground_truth(sample)
            gt, pred = sample['gt_instances'], sample['pred_instances']
            kept = (pred['scores'] >= self.score_thr).nonzero().flatten()
            pred = {key: value[kept] for key, value in pred.items()}
            pairs = _match(pred, gt, self.iou_thr)
            self.results.append(self._errors(pred, gt, pairs))

    def _errors(self, pred: dict, gt: dict, pairs: Tensor) -> Errors:
        """Computes the errors of the pairs of an image, by name."""
        errors = {}
        for name, prop in self.properties.items():
            _check_field(pred, gt, prop)
            pred_values, gt_values = (
                instances[prop.key].cpu()[rows].double()  # (M, row_shape...)
                for instances, rows in zip((pred, gt), pairs.T, strict=True)
            )
            error = prop.error(pred_values, gt_values)  # (M,)
            errors[name] = _labeled(error)
            if isinstance(prop, ScalarProperty):
                errors[name + RELATIVE] = _labeled(error / gt_values.abs())
        return errors

    def compute_metrics(self, results: list[Errors]) -> dict[str, float]:
        """Averages over all images.

        Args:
            results: Errors of each image.
        """
        metrics = {}
        for name, prop in self.properties.items():
            errors = np.concatenate([image[name] for image in results])
            metrics[f'{name}_mean'] = _or_nan(np.mean, errors)
            metrics[f'{name}_median'] = _or_nan(np.median, errors)
            if isinstance(prop, ScalarProperty):
                relative = np.concatenate([i[name + RELATIVE] for i in results])
                relative = relative[np.isfinite(relative)]  # not for a value of 0
                metrics[name + RELATIVE] = _or_nan(np.mean, relative)
            metrics[f'{name}_matched'] = len(errors)
        return metrics


def _match(pred: dict, gt: dict, iou_thr: float) -> Tensor:
    """Returns (M, 2) matched rows of detections and objects."""
    pred_boxes, gt_boxes = (get_box_tensor(one['bboxes']).cpu() for one in (pred, gt))
    overlaps = bbox_overlaps(pred_boxes.double(), gt_boxes.double())  # (K, N)
    same = pred['labels'].cpu()[:, None] == gt['labels'].cpu()[None]
    overlaps = torch.where(same, overlaps, IMPOSSIBLE)
    return match_greedily(overlaps, pred['scores'].cpu(), iou_thr)


def _labeled(errors: Tensor) -> np.ndarray:
    """Removes the errors of unlabeled values, which are nan."""
    return errors[~errors.isnan()].numpy()


def _or_nan(average: Any, errors: np.ndarray) -> float:
    return float(average(errors)) if len(errors) else float('nan')


def _check_ground_truth(sample: dict) -> None:
    """Checks that the ground truth exists and is in pixels of the image."""
    where = sample.get('img_path', 'an image')
    if 'bboxes' not in sample.get('gt_instances', {}):
        raise ValueError(
            f'{where} has no ground truth: the test pipeline needs LoadAnnotations, '
            'LoadProperties and PackPropertyInputs'
        )
    if sample.get('gt_moved'):
        raise ValueError(
            f'the ground truth of {where} is in pixels of the network input, its '
            'detections are in those of the image: put LoadAnnotations and '
            'LoadProperties after the transforms of the test pipeline that resize'
        )


def _check_field(pred: dict, gt: dict, prop: Property) -> None:
    """Checks that predictions and ground truth have the property."""
    if prop.key not in pred:
        raise ValueError(
            f'pred_instances have no {prop.key!r}, only {sorted(pred)}: give the head '
            'the properties of this metric'
        )
    if prop.key not in gt:
        raise ValueError(
            f'gt_instances have no {prop.key!r}, only {sorted(gt)}: load it with '
            'CocoPropertyDataset, LoadProperties and PackPropertyInputs'
        )
