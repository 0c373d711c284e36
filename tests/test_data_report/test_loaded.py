"""Datasets of other formats, such as mmengine's."""

import json

import numpy as np
import pytest
from mmdet.datasets import BaseDetDataset

from helpers.images import draw_images, write_coco
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.annotations import count_classes
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.readers import read_annotations

CLASSES = ('square', 'disc')


@pytest.fixture
def content(tmp_path):
    """A valid file."""
    images = draw_images(CLASSES)
    write_coco(tmp_path, images, CLASSES)
    return dict(
        metainfo=dict(classes=CLASSES),
        data_list=[
            dict(
                img_path=f'{number:06}.jpg',
                height=64,
                width=64,
                instances=[
                    dict(bbox=box, bbox_label=CLASSES.index(name), ignore_flag=0)
                    for name, box, _ in objects
                ],
            )
            for number, (_, objects) in enumerate(images)
        ],
    )


def read(folder, content, **more):
    (folder / 'list.json').write_text(json.dumps(content))
    cfg = dict(
        type='BaseDetDataset',
        data_root=str(folder),
        ann_file='list.json',
        data_prefix=dict(img_path='images/'),
        **more,
    )
    (file,) = read_annotations(cfg)
    return file


def boxes(content):
    return [one for info in content['data_list'] for one in info['instances']]


def test_valid_file(tmp_path, content):
    file = read(tmp_path, content)
    assert check_file(file) == []
    assert check_splits(dict(train=[file]), num_classes=2) == []
    assert count_classes(file) == dict(square=4, disc=4)


def test_numbers_of_numpy(tmp_path, content, monkeypatch):
    load = BaseDetDataset.load_data_list

    def load_arrays(self):
        infos = load(self)
        for one in (one for info in infos for one in info['instances']):
            one['bbox'] = np.array(one['bbox'], np.float32)
            one['bbox_label'] = np.int64(one['bbox_label'])
        return infos

    monkeypatch.setattr(BaseDetDataset, 'load_data_list', load_arrays)
    file = read(tmp_path, content)
    assert check_file(file) == []
    assert count_classes(file) == dict(square=4, disc=4)


def test_fractions(tmp_path, content):
    for one in boxes(content):
        one['bbox'] = [number / 64 for number in one['bbox']]
    (text,) = check_file(read(tmp_path, content))
    assert 'boxes seem to be fractions of the image' in text


def test_sizes_instead_of_corners(tmp_path, content):
    for one in boxes(content):
        x1, y1, x2, y2 = one['bbox']
        one['bbox'] = [x1, y1, x2 - x1, y2 - y1]
    texts = check_file(read(tmp_path, content))
    assert any('are these x, y, width, height?' in text for text in texts)


def test_invalid_instances(tmp_path, content):
    content['data_list'][1]['instances'][0]['bbox'] = [1, 2, None, 4]
    content['data_list'][2]['instances'][1]['bbox_label'] = 'disc'
    content['data_list'][3]['instances'][1]['bbox_label'] = 7
    file = read(tmp_path, content)
    assert len(file.boxes) == 6
    box, label = file.findings
    assert isinstance(box, Fault)
    assert 'data_list[1].instances[0] has no bbox of four numbers' in box
    assert "data_list[2].instances[1] has the bbox_label 'disc'" in label
    assert any('1 boxes have no class, or a label' in t for t in check_file(file))


def test_unloadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'list\.json cannot be read as a BaseDet'):
        read(tmp_path, dict(data_list=[]))


def test_broken_xml_of_wider_face_is_named(tmp_path):
    (tmp_path / 'Annotations').mkdir()
    (tmp_path / 'Annotations/b.xml').write_text('<annotation>')
    (tmp_path / 'Annotations/a.xml').write_text(
        '<annotation><folder>x</folder><size><width>9</width><height>9</height></size>'
        '</annotation>'
    )
    (tmp_path / 'list.txt').write_text('a\nb\n')
    cfg = dict(
        type='WIDERFaceDataset',
        data_root=str(tmp_path),
        ann_file='list.txt',
        data_prefix=dict(img=''),
    )
    with pytest.raises(ValueError, match=r"WIDERFaceDataset: 'b' \(ParseError: no el"):
        read_annotations(cfg)
