import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdet_centernet.evaluation import CocoKeypointMetric

NAMES = ['mAP', 'mAP_50', 'mAP_75', 'mAP_m', 'mAP_l']
NAMES += ['AR', 'AR_50', 'AR_75', 'AR_m', 'AR_l']
KEYS = [f'coco/keypoints_{name}' for name in NAMES]


def make_gt(num_points=17, num_images=6, seed=0):
    """A COCO file of two categories whose ids have gaps and are out of order."""
    random = np.random.default_rng(seed)
    annotations = []
    for image, category in np.ndindex(num_images, 2):
        for _ in range(2):
            x, y = random.uniform(0, 300, 2)
            width, height = random.uniform(20, 200, 2)
            points = random.uniform((x, y), (x + width, y + height), (num_points, 2))
            seen = random.integers(0, 3, (num_points, 1))
            seen[0] = 2
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=10 * image + 1,
                    category_id=(7, 2)[category],
                    bbox=[x, y, width, height],
                    area=width * height * 0.6,
                    iscrowd=0,
                    keypoints=np.hstack([points, seen]).ravel().tolist(),
                    num_keypoints=int((seen > 0).sum()),
                )
            )
    return dict(
        images=[
            dict(id=10 * image + 1, file_name=f'{image}.jpg', width=500, height=500)
            for image in range(num_images)
        ],
        annotations=annotations,
        categories=[dict(id=7, name='dog'), dict(id=2, name='cat')],
    )


LABELS = {7: 0, 2: 1}


def samples_of(gt, noise=0.0, seed=1):
    """What a detector finds that errs by so many pixels, with some false ones."""
    random = np.random.default_rng(seed)
    samples = []
    for image in gt['images']:
        people = [a for a in gt['annotations'] if a['image_id'] == image['id']]
        points = np.array([a['keypoints'] for a in people]).reshape(len(people), -1, 3)
        points = points[..., :2] + random.normal(0, 1, points[..., :2].shape) * noise
        labels = torch.tensor([LABELS[a['category_id']] for a in people])
        metrics = dict(
            bboxes=torch.zeros(len(people), 4),
            scores=torch.tensor(random.uniform(0.2, 1, len(people))),
            labels=labels.long(),
            keypoints=torch.tensor(points),
        )
        samples.append(dict(img_id=image['id'], pred_instances=metrics))
    return samples


def write(gt, folder):
    path = folder / 'gt.json'
    path.write_text(json.dumps(gt))
    return str(path)


def evaluate(metric, samples, classes=('dog', 'cat')):
    metric.dataset_meta = dict(classes=classes)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def by_hand(path, samples, sigmas=None):
    """pycocotools without anything of ours."""
    rows = []
    for sample in samples:
        metrics = sample['pred_instances']
        for points, score, label in zip(
            metrics['keypoints'], metrics['scores'], metrics['labels'], strict=True
        ):
            values = []
            for x, y in points.tolist():
                values += [x, y, 1.0]
            rows.append(
                dict(
                    image_id=sample['img_id'],
                    category_id=(7, 2)[int(label)],
                    keypoints=values,
                    score=float(score),
                )
            )
    gt = COCO(path)
    evaluation = COCOeval(gt, gt.loadRes(rows), 'keypoints')
    if sigmas is not None:
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats.tolist()


def test_perfect_predictions_have_an_ap_of_one(tmp_path):
    gt = make_gt()
    metric = CocoKeypointMetric(write(gt, tmp_path))
    metrics = evaluate(metric, samples_of(gt))
    assert list(metrics) == KEYS
    assert list(metrics.values()) == pytest.approx([1.0] * len(KEYS))


@pytest.mark.parametrize('noise', [2.0, 6.0, 15.0])
def test_equals_pycocotools(noise, tmp_path):
    gt = make_gt()
    path = write(gt, tmp_path)
    samples = samples_of(gt, noise)
    metrics = evaluate(CocoKeypointMetric(path), samples)
    expected = by_hand(path, samples)
    assert list(metrics.values()) == pytest.approx(expected, abs=1e-9)
    assert 0 < expected[0] < 1


def test_other_skeletons_have_sigmas_of_their_own(tmp_path):
    sigmas = [0.05, 0.1, 0.02, 0.2]
    gt = make_gt(4)
    path = write(gt, tmp_path)
    samples = samples_of(gt, 8.0)
    metrics = evaluate(CocoKeypointMetric(path, sigmas=sigmas), samples)
    expected = by_hand(path, samples, sigmas)
    assert list(metrics.values()) == pytest.approx(expected, abs=1e-9)
    other = evaluate(CocoKeypointMetric(path, sigmas=[0.3] * 4), samples)
    assert other['coco/keypoints_mAP'] > metrics['coco/keypoints_mAP']


def test_default_sigmas_are_those_of_pycocotools():
    default = CocoKeypointMetric.__init__.__kwdefaults__['sigmas']
    expected = COCOeval(iouType='keypoints').params.kpt_oks_sigmas
    np.testing.assert_allclose(default, expected, rtol=0, atol=1e-12)


def test_another_number_of_keypoints_is_refused_by_name(tmp_path):
    path = write(make_gt(4), tmp_path)
    with pytest.raises(ValueError, match=r'id 1 has 12 numbers .*17 sigmas'):
        CocoKeypointMetric(path)
    metric = CocoKeypointMetric(path, sigmas=[0.1] * 4)
    with pytest.raises(ValueError, match=r'rows of shape \(17, 2\).* 4 sigmas'):
        metric.process({}, samples_of(make_gt()))
    metrics = dict(scores=torch.zeros(0), labels=torch.zeros(0))
    with pytest.raises(ValueError, match="have no 'keypoints'"):
        metric.process({}, [dict(img_id=1, pred_instances=metrics)])


def test_images_without_detections_count(tmp_path):
    gt = make_gt()
    path = write(gt, tmp_path)
    samples = samples_of(gt)
    for sample in samples[::2]:
        metrics = sample['pred_instances']
        sample['pred_instances'] = {name: value[:0] for name, value in metrics.items()}
    metrics = evaluate(CocoKeypointMetric(path), samples)
    assert list(metrics.values()) == pytest.approx(by_hand(path, samples), abs=1e-9)
    assert 0.4 < metrics['coco/keypoints_AR'] < 0.6


def test_nothing_found_anywhere_is_zero_and_no_error(tmp_path):
    gt = make_gt()
    samples = samples_of(gt)
    for sample in samples:
        metrics = sample['pred_instances']
        sample['pred_instances'] = {name: value[:0] for name, value in metrics.items()}
    metrics = evaluate(CocoKeypointMetric(write(gt, tmp_path)), samples)
    assert list(metrics) == KEYS
    assert metrics['coco/keypoints_mAP'] == metrics['coco/keypoints_AR'] == 0


def test_files_without_counts_and_objects_without_keypoints(tmp_path):
    """As an annotation tool writes them. What has no keypoints is not missed."""
    gt = make_gt()
    samples = samples_of(gt)
    for annotation in gt['annotations']:
        del annotation['num_keypoints'], annotation['iscrowd']
    del gt['annotations'][0]['keypoints']
    gt['annotations'][1]['keypoints'] = []
    gt['annotations'][2]['keypoints'] = [0] * 51
    metrics = evaluate(CocoKeypointMetric(write(gt, tmp_path)), samples)
    assert metrics['coco/keypoints_AR'] == 1


def test_an_object_with_hidden_keypoints_alone_is_missed(tmp_path):
    gt = make_gt()
    samples = samples_of(gt)
    gt['annotations'][0]['keypoints'][2::3] = [1] * 17
    metrics = samples[0]['pred_instances']
    samples[0]['pred_instances'] = {name: value[1:] for name, value in metrics.items()}
    metrics = evaluate(CocoKeypointMetric(write(gt, tmp_path)), samples)
    assert metrics['coco/keypoints_AR'] < 1


def test_classes_are_mapped_as_the_dataset_maps_them(tmp_path):
    gt = make_gt()
    samples = samples_of(gt)
    for sample in samples:
        metrics = sample['pred_instances']
        only = metrics['labels'] == 1
        metrics = {name: value[only] for name, value in metrics.items()}
        sample['pred_instances'] = dict(metrics, labels=metrics['labels'] * 0)
    metric = CocoKeypointMetric(write(gt, tmp_path))
    assert evaluate(metric, samples, ('cat',))['coco/keypoints_mAP'] == 1


def test_results_are_written_for_a_test_server(tmp_path):
    gt = make_gt()
    prefix = str(tmp_path / 'out/results')
    path = write(gt, tmp_path)
    metric = CocoKeypointMetric(path, format_only=True, outfile_prefix=prefix)
    samples = samples_of(gt)
    assert evaluate(metric, samples) == {}
    rows = json.loads((tmp_path / 'out/results.keypoints.json').read_text())
    assert len(rows) == len(gt['annotations'])
    assert rows[0].keys() == {'image_id', 'category_id', 'keypoints', 'score'}
    annotation = gt['annotations'][0]
    assert rows[0]['keypoints'][:2] == pytest.approx(annotation['keypoints'][:2])
    assert rows[0]['keypoints'][2::3] == [1] * 17
    assert rows[0]['category_id'] == annotation['category_id']
    with pytest.raises(ValueError, match='outfile_prefix'):
        CocoKeypointMetric(path, format_only=True)


def test_another_field_than_keypoints(tmp_path):
    gt = make_gt(4)
    samples = samples_of(gt)
    for one in gt['annotations']:
        one['corners'] = one.pop('keypoints')
    for sample in samples:
        metrics = sample['pred_instances']
        metrics['corners'] = metrics.pop('keypoints')
    path = write(gt, tmp_path)
    metric = CocoKeypointMetric(path, sigmas=[0.1] * 4, key='corners')
    assert evaluate(metric, samples)['coco/keypoints_mAP'] == 1


@pytest.mark.parametrize('sigmas', [[], [0.1, 0], [0.1, None]])
def test_wrong_sigmas_are_refused(sigmas, tmp_path):
    with pytest.raises(ValueError, match='sigmas'):
        CocoKeypointMetric(write(make_gt(), tmp_path), sigmas=sigmas)
