"""Against a slow loop over all pairs, and with numbers that can be read off."""

import json
import math
import statistics

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from helpers.measured import CONFIGS, evaluator, make_samples, measure
from helpers.scripts import run_python
from helpers.tiny import REPO
from mmdet_centernet.codecs import Property
from mmdet_centernet.evaluation import CTPropertyMetric

TRUTH = [[0.0, 0, 40, 40], [100, 0, 140, 40], [200, 0, 240, 40]]


def overlap(one, other):
    """Of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (sum(areas) - common)


def slow_pairs(sample, iou_thr, score_thr):
    """Rows of detections and of the objects that they are matched to."""
    gt, found = sample.gt_instances, sample.pred_instances
    order = sorted(range(len(found)), key=lambda row: -float(found.scores[row]))
    free, pairs = set(range(len(gt))), []
    for row in order:
        if found.scores[row] < score_thr:
            continue
        best, chosen = iou_thr, None
        for other in sorted(free):
            iou = overlap(found.bboxes[row].tolist(), gt.bboxes[other].tolist())
            same = found.labels[row] == gt.labels[other]
            if same and (iou > best or (chosen is None and iou == best)):
                best, chosen = iou, other
        if chosen is not None:
            free.remove(chosen)
            pairs.append((row, chosen))
    return pairs


def slow_error(key, predicted, true):
    if key in ('angles', 'lines'):
        period = dict(angles=360, lines=180)[key]
        return abs(math.remainder(predicted - true, period))
    if key == 'depths':
        return abs(predicted - true)
    if key == 'motions':
        return math.dist(predicted, true)
    return statistics.mean(map(math.dist, predicted, true))


def slow_metrics(samples, iou_thr, score_thr):
    errors, relative = {name: [] for name in CONFIGS}, []
    for sample in samples:
        for row, other in slow_pairs(sample, iou_thr, score_thr):
            for name, config in CONFIGS.items():
                predicted = sample.pred_instances[config['key']][row]
                true = sample.gt_instances[config['key']][other]
                if true.isnan().any():
                    continue
                values = predicted.tolist(), true.tolist()
                errors[name].append(slow_error(config['key'], *values))
                if name == 'depth':
                    relative.append(errors[name][-1] / values[1])
    expected = {'property/depth_relative': statistics.mean(relative)}
    for name, values in errors.items():
        expected[f'property/{name}_mean'] = statistics.mean(values)
        expected[f'property/{name}_median'] = statistics.median(values)
        expected[f'property/{name}_matched'] = len(values)
    return expected


@pytest.mark.parametrize('iou_thr, score_thr', [(0.5, 0.3), (0.3, 0.0), (0.6, 0.1)])
def test_as_a_slow_loop(iou_thr, score_thr):
    samples = make_samples()
    expected = slow_metrics(samples, iou_thr, score_thr)
    found = measure(samples, iou_thr=iou_thr, score_thr=score_thr)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-5), key
    assert expected['property/angle_matched'] > 3
    if (iou_thr, score_thr) == (0.5, 0.3):
        assert measure(samples) == found


def one_image(ages, scores=(0.9, 0.8, 0.7), shift=0.0, true=(10.0, 20.0, 40.0)):
    gt = InstanceData(
        bboxes=torch.tensor(TRUTH),
        labels=torch.zeros(3).long(),
        ages=torch.tensor(true),
    )
    found = InstanceData(
        bboxes=torch.tensor(TRUTH) + shift,
        labels=torch.zeros(3).long(),
        scores=torch.tensor(scores),
        ages=torch.tensor(ages),
    )
    return DetDataSample(gt_instances=gt, pred_instances=found)


AGE = dict(age=dict(type='ScalarProperty', key='ages'))


def ages_of(sample, **options):
    found = measure([sample], configs=AGE, **options)
    return {key.removeprefix('property/age_'): value for key, value in found.items()}


def test_numbers_that_can_be_read_off():
    assert ages_of(one_image([11.0, 18.0, 46.0])) == pytest.approx(
        dict(mean=3, median=2, relative=(0.1 + 0.1 + 0.15) / 3, matched=3)
    )
    # The second is not labeled; for a value of 0 there is no relative error.
    found = ages_of(one_image([11.0, 18.0, 46.0], true=[0.0, math.nan, 40.0]))
    assert found == pytest.approx(dict(mean=8.5, median=8.5, relative=0.15, matched=2))
    # A weak detection is not looked at.
    found = ages_of(one_image([11.0, 18.0, 46.0], scores=(0.9, 0.8, 0.2)))
    assert found['matched'] == 2


def test_nothing_matched_is_nan():
    for found in (ages_of(one_image([1.0, 2, 3], shift=60.0)), ages_of(empty())):
        assert found.pop('matched') == 0
        assert all(math.isnan(value) for value in found.values())


def empty():
    sample = one_image([1.0, 2, 3])
    for name in ('gt_instances', 'pred_instances'):
        sample.set_field(sample.get(name)[:0], name)
    return sample


def test_boxes_of_mmdet_are_read():
    sample = one_image([11.0, 18.0, 46.0])
    sample.gt_instances.bboxes = HorizontalBoxes(TRUTH)
    assert ages_of(sample)['matched'] == 3


def test_what_is_missing_is_named():
    sample = one_image([1.0, 2, 3])
    sample.set_metainfo(dict(img_path='photo.jpg', gt_moved=True))
    with pytest.raises(ValueError, match='is in pixels of the network'):
        ages_of(sample)
    sample = one_image([1.0, 2, 3])
    del sample.pred_instances.ages
    with pytest.raises(ValueError, match=r"pred_instances have no 'ages'.*the head"):
        ages_of(sample)
    sample = one_image([1.0, 2, 3])
    del sample.gt_instances.ages
    with pytest.raises(ValueError, match=r"gt_instances have no 'ages'.*CocoProperty"):
        ages_of(sample)
    del sample.gt_instances
    with pytest.raises(ValueError, match='no ground truth: the test pipeline needs'):
        ages_of(sample)


@pytest.mark.parametrize('options', [dict(iou_thr=1.5), dict(score_thr=None)])
def test_thresholds_are_shares(options):
    with pytest.raises(ValueError, match='has to lie between 0 and 1'):
        evaluator(AGE, **options)


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path):
    torchrun = ('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', 2)
    scripts = (REPO / 'tests/helpers/gloo.py', REPO / 'tests/helpers/measured.py')
    run_python(*torchrun, *scripts, tmp_path / 'out.json', cwd=tmp_path)
    found = json.loads((tmp_path / 'out.json').read_text())
    assert found == pytest.approx(measure(make_samples()))


class Flag(Property):
    """The smallest property: a number of its own, with all defaults."""


def test_a_scalar_of_ones_own():
    TASK_UTILS.register_module(module=Flag)
    try:
        metric = CTPropertyMetric(dict(flag=dict(type='Flag', key='flags')))
    finally:
        TASK_UTILS.module_dict.pop('Flag')
    boxes, labels = torch.tensor(TRUTH), torch.zeros(3, dtype=torch.long)
    gt = dict(bboxes=boxes, labels=labels, flags=torch.tensor([1, 0, math.nan]))
    for scores in ([0.9, 0.8, 0.7], [0.0, 0.0, 0.0]):  # the second matches nothing
        pred = dict(bboxes=boxes, labels=labels, scores=torch.tensor(scores))
        pred['flags'] = torch.tensor([0.5, 0.25, 1])
        metric.process(None, [dict(gt_instances=gt, pred_instances=pred)])
    found = metric.compute_metrics(metric.results)
    assert found == dict(flag_mean=0.375, flag_median=0.375, flag_matched=2)
