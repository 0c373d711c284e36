"""Files that mmdet accepts have no findings."""

import json

import pytest
from mmdet.datasets import BaseDetDataset, CocoDataset, VOCDataset

from helpers.images import draw_images, write_coco, write_voc
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.readers import read_annotations, read_splits
from mmdet_centernet.data_report.report import describe_files

CLASSES = ('square', 'disc')


def options(folder, **more):
    return dict(
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES),
        **more,
    )


def change_coco(folder, function):
    write_coco(folder, draw_images(CLASSES), CLASSES)
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def findings_of(folder, kind='CocoDataset'):
    (file,) = read_annotations(dict(type=kind, **options(folder)))
    return check_file(file) + check_splits(dict(test=[file]), num_classes=2)


def test_coco_without_annotations(tmp_path):
    change_coco(tmp_path, lambda content: content.pop('annotations'))
    assert len(CocoDataset(**options(tmp_path, test_mode=True))) == 4  # mmdet agrees
    assert findings_of(tmp_path) == []
    (file,) = read_annotations(dict(type='CocoDataset', **options(tmp_path)))
    assert '4 images, no annotations' in describe_files(dict(test=[file]))
    (text,) = check_splits(dict(train=[file]), num_classes=2)
    assert text.startswith('train: 2 of 2 classes have no example')


def test_ids_as_strings_or_floats(tmp_path):
    def change(content):
        for note in content['annotations']:
            note['image_id'] = f'image {note["image_id"]}'
            note['category_id'] = float(note['category_id'])
        for image in content['images']:
            image['id'] = f'image {image["id"]}'

    change_coco(tmp_path, change)
    assert sum(len(i['instances']) for i in CocoDataset(**options(tmp_path))) == 8
    assert findings_of(tmp_path) == []


def test_lvis_1_names_images_by_url(tmp_path):
    def change(content):
        for image in content['images']:
            name = image.pop('file_name')
            image['coco_url'] = f'http://images.cocodataset.org/{name}'
        for note in content['annotations']:
            del note['iscrowd']

    change_coco(tmp_path, change)
    assert findings_of(tmp_path, 'LVISV1Dataset') == []
    assert any('has no' in text for text in findings_of(tmp_path))


def test_lvis_05_shortens_names_of_coco_2014(tmp_path):
    def change(content):
        for image in content['images']:
            name = f'000000{image["file_name"]}'
            (tmp_path / 'images' / image['file_name']).rename(
                tmp_path / 'images' / name
            )
            image['file_name'] = f'COCO_val2014_{name}'

    change_coco(tmp_path, change)
    assert findings_of(tmp_path, 'LVISV05Dataset') == []


def test_images_on_a_server_are_skipped(tmp_path):
    change_coco(tmp_path, lambda content: None)
    cfg = options(tmp_path) | dict(data_prefix=dict(img='s3://bucket/images/'))
    (file,) = read_annotations(dict(type='CocoDataset', **cfg))
    assert file.image_paths[0].startswith('s3://bucket/')
    assert check_file(file) == []


def test_xml_of_another_encoding(tmp_path):
    write_voc(tmp_path, draw_images(VOCDataset.METAINFO['classes']))
    path = tmp_path / 'VOC2007/Annotations/000000.xml'
    head = '<?xml version="1.0" encoding="iso-8859-1"?><!-- Bär -->'
    path.write_bytes((head + path.read_text()).encode('latin-1'))
    cfg = dict(
        data_root=str(tmp_path),
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
    )
    assert len(VOCDataset(**cfg)[0]['instances']) == 2
    (file,) = read_annotations(dict(type='VOCDataset', **cfg))
    assert file.findings == ()
    assert (file.image_index == 0).sum() == 2


def test_file_of_training_and_validation_is_read_once(tmp_path):
    def change(content):
        for note in content['annotations']:
            note['iscrowd'] = None

    change_coco(tmp_path, change)
    loader = dict(dataset=dict(type='CocoDataset', **options(tmp_path)))
    splits = read_splits(dict(train_dataloader=loader, val_dataloader=loader))
    assert [len(files) for files in splits.files.values()] == [1, 0, 0]
    (text,) = check_splits(splits.files, num_classes=2)
    assert '8 annotations have an iscrowd that is not a number, the first None' in text
    alone = read_splits(dict(train_dataloader=loader))
    assert check_splits(alone.files, num_classes=2) == []


def test_datasets_without_a_file_are_read(monkeypatch):
    monkeypatch.setattr(BaseDetDataset, 'load_data_list', lambda self: [])
    loader = dict(dataset=dict(type='BaseDetDataset', ann_file=''))
    splits = read_splits(dict(train_dataloader=loader, val_dataloader=loader))
    assert [len(files) for files in splits.files.values()] == [1, 1, 0]


def test_video_datasets_are_unknown(tmp_path):
    loader = dict(dataset=dict(type='YouTubeVISDataset', dataset_version='2019'))
    splits = read_splits(dict(val_dataloader=loader))
    (text,) = splits.findings
    assert 'the format of a YouTubeVISDataset is unknown to browse-targets' in text


@pytest.mark.parametrize('content', ['[', '[]', '\ufeff{}', '{"images": []}', ''])
def test_broken_files_do_not_hide_others(tmp_path, content):
    change_coco(tmp_path, lambda content: None)
    (tmp_path / 'val.json').write_text(content)
    good = dict(type='CocoDataset', **options(tmp_path))
    bad = good | dict(ann_file='val.json')
    gone = good | dict(ann_file='gone.json')
    splits = read_splits(
        dict(
            train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[bad])),
            val_dataloader=dict(dataset=gone),
            test_dataloader=dict(dataset=good),
        )
    )
    assert len(splits.files['test']) == 1
    first, second = splits.findings
    assert str(tmp_path / 'val.json') in first
    assert str(tmp_path / 'gone.json') in second
