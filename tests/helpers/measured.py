"""Detections with properties, and their metric in one or several processes."""

import json
import sys

import numpy as np
import torch
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

import mmdet_centernet  # noqa: F401

CONFIGS = dict(
    angle=dict(type='AngleProperty', key='angles'),
    line=dict(type='AngleProperty', key='lines', period=180),
    depth=dict(type='ScalarProperty', key='depths'),
    motion=dict(type='VectorProperty', key='motions'),
    joints=dict(type='KeypointsProperty', key='keypoints', num_points=2),
)
SHAPES = dict(angles=(), lines=(), depths=(), motions=(2,), keypoints=(2, 2))
SPANS = dict(angles=360, lines=180, depths=9, motions=30, keypoints=60)


def make_sample(random, num_gt, num_pred):
    """Boxes of two classes that overlap a lot; a third of the labels is missing."""

    def draw(count):
        corners = random.uniform(0, 12, (count, 2))
        boxes = np.hstack([corners, corners + random.uniform(12, 24, (count, 2))])
        values = {
            key: torch.tensor(random.uniform(0, SPANS[key], (count, *shape))).float()
            for key, shape in SHAPES.items()
        }
        return InstanceData(
            bboxes=torch.tensor(boxes).float(),
            labels=torch.tensor(random.integers(0, 2, count)),
            **values,
        )

    gt, pred = draw(num_gt), draw(num_pred)
    for key in SHAPES:
        gt[key][torch.tensor(random.random(num_gt) < 1 / 3)] = torch.nan
    pred.scores = torch.tensor(random.random(num_pred)).float()
    return DetDataSample(gt_instances=gt, pred_instances=pred)


def make_samples():
    random = np.random.default_rng(0)
    return [make_sample(random, count % 7, (3 * count) % 20) for count in range(15)]


def evaluator(configs=CONFIGS, **options):
    metric = dict(type='CTPropertyMetric', properties=configs, **options)
    return Evaluator(METRICS.build(metric))


def measure(samples, size=None, **options):
    """Runs the evaluator of a test loop, with two samples per batch."""
    judge = evaluator(**options)
    for start in range(0, len(samples), 2):
        judge.process(samples[start : start + 2])
    return judge.evaluate(size or len(samples))


if __name__ == '__main__':
    everything = make_samples()
    # As mmengine's sampler, which fills up so that all have as many.
    mine = [*everything, everything[0]][get_rank() :: get_world_size()]
    measured = measure(mine, len(everything))
    if get_rank() == 0:
        with open(sys.argv[1], 'w') as file:
            json.dump(measured, file)
