"""Repeated category names: the finding names both ids; its advice fixes them."""

import json

import pytest
from mmdet.datasets import CocoDataset

from helpers.images import draw_images, write_coco
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.annotations import count_categories, count_classes
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.readers import read_annotations

ADVICE = 'remove the entry with the id 0 from "categories", in all files'


@pytest.fixture
def content(tmp_path):
    """Boxes of one class as Roboflow exports them."""
    write_coco(tmp_path, draw_images(('cells',)), ('cells',))
    content = json.loads((tmp_path / 'annotations.json').read_text())
    content['categories'].insert(0, dict(id=0, name='cells', supercategory='none'))
    return content


def options(folder, classes=('cells',)):
    return dict(
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=classes),
    )


def read(folder, content, classes=('cells',)):
    (folder / 'annotations.json').write_text(json.dumps(content))
    (file,) = read_annotations(dict(type='CocoDataset', **options(folder, classes)))
    return file


def findings_of(file):
    return check_file(file) + check_splits(dict(train=[file]), num_classes=1)


def labels(folder):
    infos = CocoDataset(**options(folder))
    return {one['bbox_label'] for info in infos for one in info['instances']}


def test_category_without_boxes_is_removed(tmp_path, content):
    file = read(tmp_path, content)
    assert labels(tmp_path) == {1}  # mmdet, for one class
    (text,) = findings_of(file)
    assert isinstance(text, Fault)
    assert (
        "2 categories are called 'cells': 0 boxes have id 0, 8 boxes have id 1" in text
    )
    assert text.endswith(ADVICE)
    assert count_categories(file) == {0: 0, 1: 8}
    assert count_classes(file) == dict(cells=8)
    del content['categories'][0]  # as advised
    assert findings_of(read(tmp_path, content)) == []
    assert labels(tmp_path) == {0}


def test_two_categories_with_boxes_are_merged(tmp_path, content):
    for note in content['annotations'][:3]:
        note['category_id'] = 0
    (text,) = findings_of(read(tmp_path, content))
    assert '3 boxes have id 0, 5 boxes have id 1' in text
    assert 'give the annotations of 1 the category_id 0 and remove the entry' in text
    assert 'with the id 1 from' in text
    for note in content['annotations']:
        note['category_id'] = 0
    del content['categories'][1]
    assert findings_of(read(tmp_path, content)) == []


def test_file_without_boxes_follows_the_others(tmp_path, content):
    content['annotations'] = []
    texts = check_file(read(tmp_path, content))
    assert 'the same ones as in the other files' in texts[0]


def test_repeated_class_in_metainfo(tmp_path, content):
    del content['categories'][0]
    file = read(tmp_path, content, ('cells', 'cells'))
    (text,) = check_file(file)
    assert 'metainfo.classes names cells more than once: name each class once' in text
    assert check_splits(dict(train=[file]), num_classes=2) == []


def test_repeated_category_outside_metainfo_is_ignored(tmp_path, content):
    content['categories'] += [dict(id=i, name='root') for i in (8, 9)]
    del content['categories'][0]
    (text,) = findings_of(read(tmp_path, content))
    assert 'metainfo.classes lacks categories of the file' in text
