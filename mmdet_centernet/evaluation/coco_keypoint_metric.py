"""COCO's average precision of keypoints.

Legend: K detections per image, J keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.fileio import dump, get_local_path
from mmengine.logging import MMLogger

from mmdet_centernet.arguments import is_number

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035),  # nose, eyes, ears
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # shoulders, elbows, wrists
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # hips, knees, ankles
)
"""Spread of human labels per joint, relative to the square root of the area."""

STATISTICS = tuple(
    name + suffix for name in ('mAP', 'AR') for suffix in ('', '_50', '_75', '_m', '_l')
)
"""The statistics of pycocotools for keypoints, in its order."""

FIELDS = 'scores', 'labels'
Rows = list[dict[str, Any]]


@METRICS.register_module()
class CocoKeypointMetric(BaseMetric):
    """Average precision of keypoints over object keypoint similarity (OKS).

    This is COCO's own evaluation. It ignores objects without labeled keypoints and
    uses the 20 best detections per image; ``m`` and ``l`` are areas from 32^2 and from
    96^2 pixels. A detection has the score of its center. Logs ``coco/keypoints_mAP``,
    ``_mAP_50``, ``_mAP_75``, ``_mAP_m``, ``_mAP_l`` and ``coco/keypoints_AR`` likewise;
    -1 if there are no objects of that size. Use ``CocoMetric`` besides for boxes.

    Args:
        ann_file: COCO json with keypoints. Missing ``num_keypoints`` are counted.
        sigmas: Standard deviation of each keypoint, relative to the square root of the
            object's area. By default COCO's for its 17 joints; required for others.
        key: Field of ``pred_instances`` and of annotations with the keypoints.
        format_only: Write the results for a test server without evaluation.
        outfile_prefix: Path before ``.keypoints.json`` of a file for the results; None
            for no file.
        backend_args: mmengine's file backend.
        collect_device: See ``BaseMetric``.
        prefix: See ``BaseMetric``; by default ``coco``.

    Raises:
        ValueError: If an argument is out of range, or the numbers of keypoints in the
            file and of sigmas differ.
    """

    default_prefix = 'coco'

    def __init__(
        self,
        ann_file: str,
        *,
        sigmas: Sequence[float] = COCO_SIGMAS,
        key: str = 'keypoints',
        format_only: bool = False,
        outfile_prefix: str | None = None,
        backend_args: Mapping[str, Any] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not len(sigmas) or not all(is_number(one) and one > 0 for one in sigmas):
            raise ValueError(
                f'sigmas are {sigmas!r}; give one number above 0 per joint'
            )
        if format_only and outfile_prefix is None:
            raise ValueError('format_only=True writes a file: give outfile_prefix')
        self.ann_file = ann_file
        self.sigmas = np.array(sigmas)
        self.key = key
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        with get_local_path(ann_file, backend_args=backend_args) as path:
            self.ground_truth = COCO(str(path))
        self._complete_annotations()

    def _complete_annotations(self) -> None:
        """Adds the fields that pycocotools needs to all annotations."""
        unlabeled = [0] * (3 * len(self.sigmas))
        for annotation in self.ground_truth.anns.values():
            values = annotation.get(self.key) or unlabeled
            if len(values) != len(unlabeled):
                raise ValueError(
                    f'{self.ann_file}: the annotation with id {annotation["id"]!r} has '
                    f'{len(values)} numbers in {self.key!r}, not 3 for each of '
                    f'{len(self.sigmas)} sigmas. Set sigmas of the metric, one per '
                    'keypoint; COCO has measured those of its 17 joints, for others '
                    'use 0.05, or more if people would disagree about the position'
                )
            annotation['keypoints'] = values
            annotation['num_keypoints'] = sum(visible > 0 for visible in values[2::3])
            annotation.setdefault('iscrowd', 0)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Stores the detections of some images.

        Args:
            data_batch: Unused.
            data_samples: ``img_id`` and ``pred_instances`` of each.

        Raises:
            ValueError: If detections have no keypoints, or another number of them.
        """
        for sample in data_samples:
            pred = sample['pred_instances']
            self._check_keypoints(pred)
            arrays = (pred[name].cpu().numpy() for name in (self.key, *FIELDS))
            self.results.append((sample['img_id'], *arrays))

    def _check_keypoints(self, pred: Mapping[str, Any]) -> None:
        if self.key not in pred:
            raise ValueError(
                f'pred_instances have no {self.key!r}, only {sorted(pred)}: give the '
                'head a KeypointsProperty of that key'
            )
        shape = tuple(pred[self.key].shape[1:])
        if shape != (len(self.sigmas), 2):
            raise ValueError(
                f'{self.key!r} of pred_instances has rows of shape {shape}, but there '
                f'are {len(self.sigmas)} sigmas: give the metric one per keypoint'
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluates the detections of all images.

        Args:
            results: For each image its id, (K, J, 2) keypoints, scores and labels.

        Returns:
            Statistics by name; none with ``format_only``.
        """
        categories = self.ground_truth.get_cat_ids(
            cat_names=self.dataset_meta['classes']
        )
        rows = [row for image in results for row in _rows(image, categories)]
        if self.outfile_prefix is not None:
            dump(rows, f'{self.outfile_prefix}.keypoints.json')
        if self.format_only:
            folder = Path(self.outfile_prefix or '').parent
            MMLogger.get_current_instance().info(f'results are saved in {folder}')
            return {}
        evaluation = COCOeval(self.ground_truth, self._load(rows), 'keypoints')
        vars(evaluation.params).update(
            kpt_oks_sigmas=self.sigmas,
            catIds=categories,
            imgIds=self.ground_truth.get_img_ids(),
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return {
            f'keypoints_{name}': float(value)
            for name, value in zip(STATISTICS, evaluation.stats, strict=True)
        }

    def _load(self, rows: Rows) -> COCO:
        """Loads detections into pycocotools, which cannot load an empty list."""
        if rows:
            return self.ground_truth.loadRes(rows)
        MMLogger.get_current_instance().warning('nothing was detected in any image')
        empty = COCO()
        empty.dataset = {**self.ground_truth.dataset, 'annotations': []}
        empty.createIndex()
        return empty


def _rows(image: tuple, categories: Sequence[int]) -> Rows:
    """Converts the detections of an image to COCO's result format."""
    image_id, keypoints, scores, labels = image
    visible = np.ones_like(keypoints[..., :1])
    triples = np.concatenate([keypoints, visible], axis=-1)  # (K, J, 3)
    return [
        dict(
            image_id=image_id,
            category_id=categories[label],
            keypoints=values.ravel().tolist(),
            score=score,
        )
        for label, values, score in zip(
            labels.tolist(), triples, scores.tolist(), strict=True
        )
    ]
