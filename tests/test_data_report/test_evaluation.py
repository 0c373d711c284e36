"""Findings on evaluated files, compared with pycocotools."""

import copy
import json

import numpy as np
import pytest
from mmdet.datasets.api_wrappers import COCO, COCOeval

from helpers.images import draw_images, write_coco
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.readers import read_annotations

CLASSES = ('square', 'disc')


@pytest.fixture
def content(tmp_path):
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)
    return json.loads((tmp_path / 'annotations.json').read_text())


def read(folder, content):
    (folder / 'annotations.json').write_text(json.dumps(content))
    cfg = dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES),
    )
    (file,) = read_annotations(cfg)
    return file


def findings_of(folder, content):
    return check_splits(dict(val=[read(folder, content)]), num_classes=2)


def average_precision(folder, content):
    """AP of detections equal to the ground truth."""
    path = folder / 'truth.json'
    path.write_text(json.dumps(content))
    truth = COCO(str(path))
    found = [
        {k: note[k] for k in ('image_id', 'category_id', 'bbox')} | dict(score=1.0)
        for note in copy.deepcopy(content['annotations'])
    ]
    evaluation = COCOeval(truth, truth.loadRes(found), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


def test_the_annotation_id_0(tmp_path, content):
    assert average_precision(tmp_path, content) == pytest.approx(1)
    assert findings_of(tmp_path, content) == []
    for note in content['annotations']:
        note['id'] -= 1
    assert average_precision(tmp_path, content) < 1
    (text,) = findings_of(tmp_path, content)
    assert 'an annotation has the id 0' in text
    for note in content['annotations']:  # as advised
        note['id'] += 1
    assert findings_of(tmp_path, content) == []
    assert average_precision(tmp_path, content) == pytest.approx(1)


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda note: note.update(iscrowd=None), 'an iscrowd that is not a number'),
        (lambda note: note.update(iscrowd='no'), 'an iscrowd that is not a number'),
        (lambda note: note.pop('iscrowd'), 'have no iscrowd'),
        (lambda note: note.update(id='a1'), 'an id that is not a number'),
    ],
)
def test_what_pycocotools_cannot_evaluate_is_reported(tmp_path, content, spoil, words):
    spoil(content['annotations'][0])
    with pytest.raises((TypeError, KeyError, ValueError)):
        average_precision(tmp_path, content)
    (text,) = findings_of(tmp_path, content)
    assert words in text
    assert isinstance(text, Fault)
    file = read(tmp_path, content)
    assert check_splits(dict(train=[file]), num_classes=2) == []


def test_many_crowds(tmp_path, content):
    content['annotations'][0]['iscrowd'] = 1
    many = copy.deepcopy(content)
    for note in many['annotations'][::2]:
        note['iscrowd'] = 1
    (text,) = check_file(read(tmp_path, many))
    assert '50% of the boxes are crowds (iscrowd)' in text
    few = np.tile(content['annotations'], 2).tolist()  # one of eight, then of sixteen
    few = [dict(note, id=i + 1) for i, note in enumerate(few)]
    few[8]['iscrowd'] = 0
    assert check_file(read(tmp_path, dict(content, annotations=few))) == []
