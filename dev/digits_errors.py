"""Evaluates a trained network on rotated digits, digit by digit.

Usage: python dev/digits_errors.py CONFIG CHECKPOINT

Prints the metrics of the config for single digits and groups of digits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from mmdet.registry import METRICS
from mmengine.config import Config
from mmengine.runner import Runner

# Brings mmcv's operators where mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401

DIGITS = tuple('0123456789')
SYMMETRIC = '018'
"""Digits that are symmetric under a half turn."""
CONFUSED = '69'
"""Digits that a half turn exchanges."""
GROUPS = {
    'all': '0123456789',
    'without 018': ''.join(sorted(set(DIGITS) - set(SYMMETRIC))),
    'without 01689': ''.join(sorted(set(DIGITS) - set(SYMMETRIC + CONFUSED))),
}
SHOWN = (
    'property/angle_median',
    'property/angle_mean',
    'property/angle_matched',
    'property/brightness_median',
    'property/brightness_mean',
    'coco/keypoints_mAP',
    'coco/keypoints_mAP_50',
    'coco/keypoints_mAP_75',
)


def predict(config: Config) -> list[dict]:
    """Returns detections and ground truth of all test images."""
    runner = Runner.from_cfg(config)
    runner.load_or_resume()
    runner.model.eval()
    with torch.no_grad():
        return [
            sample.to_dict()
            for batch in runner.test_dataloader
            for sample in runner.model.test_step(batch)
        ]


def keep(samples: Sequence[dict], digits: str) -> list[dict]:
    """Keeps objects and detections of some digits and renumbers their labels."""
    new_labels = torch.full((len(DIGITS),), -1)
    for number, digit in enumerate(digits):
        new_labels[int(digit)] = number
    kept = []
    for sample in samples:
        copy = dict(sample)
        for name in ('gt_instances', 'pred_instances'):
            labels = new_labels[sample[name]['labels']]
            rows = (labels >= 0).nonzero().flatten()
            copy[name] = {key: value[rows] for key, value in sample[name].items()}
            copy[name]['labels'] = labels[rows]
        kept.append(copy)
    return kept


def measure(evaluators: Sequence[dict], samples: list[dict], digits: str) -> dict:
    """Computes metrics for some digits alone."""
    measured = {}
    for evaluator in evaluators:
        metric = METRICS.build(evaluator)
        metric.dataset_meta = dict(classes=tuple(digits))
        metric.process(None, keep(samples, digits))
        measured.update(metric.evaluate(len(samples)))
    return measured


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--work-dir', default='work_dirs/digits_errors')
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    config.update(load_from=args.checkpoint, work_dir=args.work_dir)
    samples = predict(config)
    evaluators = [one for one in config.test_evaluator if one.type != 'CocoMetric']
    groups = {**dict(zip(DIGITS, DIGITS, strict=True)), **GROUPS}
    rows = {
        name: measure(evaluators, samples, digits) for name, digits in groups.items()
    }
    for name in SHOWN:
        if name in rows['all']:
            print(name)
            for group, metrics in rows.items():
                print(f'  {group:15}{metrics[name]:8.3f}')


if __name__ == '__main__':
    main()
