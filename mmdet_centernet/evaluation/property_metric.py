"""How far are the properties of found objects off?

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
from mmdet_centernet.functional.matching import NEVER, match_greedily

Errors = dict[str, np.ndarray]
"""Of an image: errors of each property by name, and relative ones of scalars."""

RELATIVE = '_relative'


@METRICS.register_module()
class CTPropertyMetric(BaseMetric):
    """Errors of properties, over detections that are matched to an object.

    A detection is matched to the object of its class that it overlaps most, those with
    the best scores first, each object once. What is not labeled does not count. For
    each property by its name: ``<name>_mean`` and ``<name>_median`` of
    :meth:`Property.error`, for scalars the mean error relative to the truth,
    ``<name>_relative``, and the number of values, ``<name>_matched``. Errors are nan
    where nothing was matched. They are measured in pixels of the original image.

    How many objects were found at all says the box AP: use it beside ``CocoMetric``.
    ``save_best='property/<name>_median'`` needs ``rule='less'``.

    Args:
        properties: Configs of properties by name, those of the head.
        iou_thr: Least overlap of a pair.
        score_thr: Detections below are not looked at.
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
        """Remember the errors of some images.

        Args:
            data_batch: Not looked at.
            data_samples: ``gt_instances`` and ``pred_instances`` of each.

        Raises:
            ValueError: If a property is missing, or the truth is not in pixels of the
                original image.
        """
        for sample in data_samples:
            _check_truth(sample)
            truth, found = sample['gt_instances'], sample['pred_instances']
            seen = (found['scores'] >= self.score_thr).nonzero().flatten()
            found = {key: value[seen] for key, value in found.items()}
            pairs = _match(found, truth, self.iou_thr)
            self.results.append(self._errors(found, truth, pairs))

    def _errors(self, found: dict, truth: dict, pairs: Tensor) -> Errors:
        """Errors of the pairs of an image, by name."""
        errors = {}
        for name, prop in self.properties.items():
            _check_field(found, truth, prop)
            predicted, true = (
                one[prop.key].cpu()[rows].double()
                for one, rows in zip((found, truth), pairs.T, strict=True)
            )
            error = prop.error(predicted, true)
            errors[name] = _labeled(error)
            if isinstance(prop, ScalarProperty):
                errors[name + RELATIVE] = _labeled(error / true.abs())
        return errors

    def compute_metrics(self, results: list[Errors]) -> dict[str, float]:
        """Sum up over all images.

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
                relative = relative[np.isfinite(relative)]  # to a truth of 0 none is
                metrics[name + RELATIVE] = _or_nan(np.mean, relative)
            metrics[f'{name}_matched'] = len(errors)
        return metrics


def _match(found: dict, truth: dict, iou_thr: float) -> Tensor:
    """(M, 2) rows of detections and objects."""
    boxes, true = (get_box_tensor(one['bboxes']).cpu() for one in (found, truth))
    overlaps = bbox_overlaps(boxes.double(), true.double())
    same = found['labels'].cpu()[:, None] == truth['labels'].cpu()[None]
    overlaps = torch.where(same, overlaps, NEVER)
    return match_greedily(overlaps, found['scores'].cpu(), iou_thr)


def _labeled(errors: Tensor) -> np.ndarray:
    """Those that are no nan."""
    return errors[~errors.isnan()].numpy()


def _or_nan(average: Any, errors: np.ndarray) -> float:
    return float(average(errors)) if len(errors) else float('nan')


def _check_truth(sample: dict) -> None:
    """The truth has to be there, where the detections are."""
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
            'LoadProperties behind the steps of the test pipeline that resize'
        )


def _check_field(found: dict, truth: dict, prop: Property) -> None:
    """Both sides have to say something about the property."""
    if prop.key not in found:
        raise ValueError(
            f'pred_instances have no {prop.key!r}, only {sorted(found)}: give the head '
            'the properties of this metric'
        )
    if prop.key not in truth:
        raise ValueError(
            f'gt_instances have no {prop.key!r}, only {sorted(truth)}: load it with '
            'CocoPropertyDataset, LoadProperties and PackPropertyInputs'
        )
