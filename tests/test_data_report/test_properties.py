"""Properties in the report: counted, drawn, missing."""

import json

import cv2
import matplotlib
import numpy as np
import pytest
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.utils import digit_version

from helpers.tiny import tiny_config
from mmdet_centernet.data_report.report import describe_targets
from mmdet_centernet.data_report.samples import FailedImage, TrainingData
from mmdet_centernet.data_report.statistics import (
    check_properties,
    check_targets,
    collect,
    count_properties,
    describe_properties,
)
from mmdet_centernet.visualization.draw_targets import draw_targets

PROPERTIES = dict(
    angle=dict(type='AngleProperty', key='angles'),
    joints=dict(type='KeypointsProperty', key='keypoints', num_points=3),
)
NAN = np.nan


def test_counts_equal_a_slow_loop():
    random = np.random.default_rng(0)
    images = []
    for count in (3, 0, 9, 4):
        values = dict(
            age=random.uniform(1, 9, count), side=random.normal(size=(count, 2))
        )
        values['age'][random.random(count) < 0.5] = NAN
        values['side'][random.random((count, 2)) < 0.5] = NAN
        images.append(values)
    counts = count_properties(images)
    ages = [age for image in images for age in image['age'] if not np.isnan(age)]
    assert (counts['age'].num_objects, counts['age'].num_labeled) == (16, len(ages))
    assert (counts['age'].least, counts['age'].most) == (min(ages), max(ages))
    sides = [row for image in images for row in image['side'].tolist()]
    labeled = [row for row in sides if not all(map(np.isnan, row))]
    assert counts['side'].num_labeled == len(labeled)
    known = [
        [n for n in column if not np.isnan(n)] for column in zip(*sides, strict=True)
    ]
    assert counts['side'].least.tolist() == [min(column) for column in known]
    assert counts['side'].most.tolist() == [max(column) for column in known]
    share = sum(map(len, known)) / (2 * len(labeled))
    assert counts['side'].share == pytest.approx(share)


def test_descriptions_of_counts():
    values = dict(
        age=np.array([1.25, NAN, 3]),
        side=np.array([[1, 2], [3, 5], [NAN, NAN]]),
        joints=np.array([[[1, 2]] * 2 + [[NAN, NAN]]] * 3),
        none=np.full(3, NAN),
    )
    counts = count_properties([values])
    assert describe_properties(counts).splitlines() == [
        '    age: 2 of 3 objects are labeled, 1.25 to 3',
        '    side: 2 of 3 objects are labeled, 1 to 3, 2 to 5',
        '    joints: 3 of 3 objects are labeled, with 66.7% of 6 numbers',
        '    none: 0 of 3 objects are labeled',
    ]
    (text,) = check_properties(counts)
    assert text.startswith('no object is labeled with none after the training pipeline')
    assert count_properties([]) == {}
    nothing = count_properties([{key: value[:0] for key, value in values.items()}])
    assert check_properties(nothing) == []
    assert '0 of 0 objects' in describe_properties(nothing)


@pytest.fixture
def config(tmp_path):
    """Config with properties; the first object of each image is unlabeled."""
    path = tmp_path / 'annotations.json'
    cfg = Config.fromfile(tiny_config(tmp_path))
    content = json.loads(path.read_text())
    for number, note in enumerate(content['annotations']):
        x, y, width, height = note['bbox']
        if number % 2:
            joints = [x, y, 2, x + width, y, 1, x, y + height, 0]
            note.update(angles=10 * number, keypoints=joints)
    path.write_text(json.dumps(content))
    cfg.train_dataloader.dataset.update(
        type='CocoPropertyDataset',
        properties=PROPERTIES,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='LoadProperties', properties=PROPERTIES),
            dict(type='PackPropertyInputs'),
        ],
    )
    cfg.model.bbox_head.properties = PROPERTIES
    return cfg


def test_properties_of_a_dataset_are_counted(config):
    data = TrainingData(config)
    samples = list(data.samples(range(4)))
    statistics = collect(
        [sample.targets for sample in samples], [sample.values for sample in samples]
    )
    assert (
        '    angle: 4 of 8 objects are labeled, 10 to 70\n'
        '    joints: 4 of 8 objects are labeled, with 66.7% of 6 numbers'
    ) in describe_targets(statistics)
    assert check_targets(statistics) == []


@pytest.mark.skipif(
    digit_version(matplotlib.__version__) < digit_version('3.11'),
    reason='this matplotlib shifts images by a pixel',
)
def test_properties_are_drawn_on_the_left(config):
    data = TrainingData(config)
    (sample,) = data.samples([0])
    visualizer = DetLocalVisualizer()

    def draw(properties):
        image = draw_targets(visualizer, sample, data.classes, 4, properties).astype(
            int
        )
        return image[:, :384], image[:, 384:]

    without, with_properties = draw({}), draw(data.head.properties)
    np.testing.assert_array_equal(without[1], with_properties[1])
    changed = np.abs(without[0] - with_properties[0]).max(axis=2) > 50
    changed = cv2.resize(
        changed[24:].astype(float), (64, 64), interpolation=cv2.INTER_AREA
    )
    unlabeled, labeled = sample.boxes.numpy().round().astype(int)
    inside = [
        changed[y1 : y2 + 1, x1 : x2 + 1].sum()
        for x1, y1, x2, y2 in (unlabeled, labeled)
    ]
    assert inside[0] == 0
    assert inside[1] > 1


def test_pipeline_that_drops_properties_is_reported(config):
    steps = config.train_dataloader.dataset.pipeline
    steps.insert(3, dict(type='RandomErasing', n_patches=1, ratio=0.1))
    (sample,) = TrainingData(config).samples([0])
    assert isinstance(sample, FailedImage)
    assert 'RandomErasing' in sample.reason
    steps[3:] = [dict(type='PackDetInputs')]
    (sample,) = TrainingData(config).samples([0])
    assert "gt_instances of image 0 of the batch have no 'angles'" in sample.reason
