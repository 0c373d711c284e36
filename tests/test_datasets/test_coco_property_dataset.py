import json

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from helpers.images import draw_images, write_coco
from mmdet_centernet.datasets import CocoPropertyDataset
from mmdet_centernet.label_names import label_names

CLASSES = ('square', 'disc')
ANGLE = dict(type='AngleProperty', key='angles')
JOINTS = dict(type='KeypointsProperty', key='keypoints', num_points=2)
DEPTH = dict(type='ScalarProperty', key='depth', scale='log')
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=dict(angle=ANGLE, joints=JOINTS)),
    dict(type='RandomFlip', prob=1.0),
    dict(type='PackPropertyInputs'),
]


@pytest.fixture
def folder(tmp_path):
    """Annotation i has the angle 10 * i and joints at its corner and i."""
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)

    def label(note):
        x, y, *_ = note['bbox']
        note.update(
            angles=10 * note['id'],
            keypoints=[x, y, 2, note['id'], 1.5, 1],
            depth=note['id'] / 2,
        )

    change(tmp_path, label)
    return tmp_path


def change(folder, function):
    """Does something to each annotation."""
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for note in content['annotations']:
        function(note)
    path.write_text(json.dumps(content))


def config(folder, kind='CocoPropertyDataset', **changes):
    return dict(
        type=kind,
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        **{'metainfo': dict(classes=CLASSES), **changes},
    )


def build(folder, **changes):
    init_default_scope('mmdet')
    changes = dict(properties=dict(angle=ANGLE, joints=JOINTS)) | changes
    return DATASETS.build(config(folder, **changes))


def instances(dataset):
    dataset.full_init()
    infos = [dataset.get_data_info(number) for number in range(len(dataset))]
    return [instance for info in infos for instance in info['instances']]


def test_fields_are_kept_beside_what_mmdet_reads(folder):
    dataset = build(folder)
    plain = DATASETS.build(config(folder, 'CocoDataset'))
    kept = instances(dataset)
    values = [instance.pop('properties') for instance in kept]
    assert kept == instances(plain)
    for number in range(len(dataset)):
        info, expected = (d.get_data_info(number) for d in (dataset, plain))
        del info['instances'], expected['instances']
        assert info == expected
    assert [float(value['angles']) for value in values] == [
        10 * number for number in range(1, len(kept) + 1)
    ]
    for number, (instance, value) in enumerate(zip(kept, values, strict=True), 1):
        expected = [instance['bbox'][:2], [number, 1.5]]
        np.testing.assert_array_equal(value['keypoints'], np.float32(expected))


def test_values_stay_with_their_objects_where_mmdet_leaves_some_out(folder):
    def spoil(note):
        number = note['id']
        note.update(
            {
                1: dict(ignore=True),
                3: dict(bbox=[200, 200, 10, 10]),
                4: dict(iscrowd=1),
                6: dict(area=0),
                7: dict(category_id=99),
            }.get(number, {})
        )

    change(folder, spoil)
    kept = instances(build(folder))
    assert [float(one['properties']['angles']) / 10 for one in kept] == [2, 4, 5, 8]
    assert [one['ignore_flag'] for one in kept] == [0, 1, 0, 0]
    plain = DATASETS.build(config(folder, 'CocoDataset'))
    assert [one['bbox'] for one in kept] == [one['bbox'] for one in instances(plain)]


def test_what_is_left_out_is_not_read(folder):
    change(folder, lambda note: note.update(angles='x', ignore=note['id'] < 8))
    with pytest.raises(ValueError, match="'angles' of the annotation with id 8"):
        build(folder)


def test_what_is_missing_or_null_is_not_labeled(folder):
    def remove(note):
        if note['id'] == 1:
            del note['angles']
        if note['id'] == 2:
            note['angles'] = None
        if note['id'] == 3:
            note['keypoints'] = [0, 0, 0, 5, 6, 2]

    change(folder, remove)
    values = [instance['properties'] for instance in instances(build(folder))]
    angles = [float(value['angles']) for value in values]
    assert np.isnan(angles[:2]).all()
    assert angles[2:] == [30, 40, 50, 60, 70, 80]
    np.testing.assert_array_equal(values[2]['keypoints'], [[np.nan] * 2, [5, 6]])


WRONG = [
    (dict(angles='north'), "'angles'.*AngleProperty: 'north' is not a number"),
    (dict(angles=[3]), r"'angles'.*\[3\] is not a number"),
    (dict(angles=float('nan')), "'angles'.*nan is not a number"),
    (dict(keypoints=[1, 2, 2]), "'keypoints'.*it has 3 numbers, not 6"),
    (dict(keypoints=7), "'keypoints'.*7 is not a list of 6 numbers"),
    (dict(keypoints=[1, 2, 2, 3, 4, None]), "'keypoints'.*is not a list of 6 numbers"),
    (dict(depth=0), "'depth'.*0 is not above 0"),
]


@pytest.mark.parametrize('fields, message', WRONG, ids=str)
def test_wrong_values_are_named(folder, fields, message):
    change(folder, lambda note: note.update(fields if note['id'] == 5 else {}))
    with pytest.raises(ValueError, match='annotation with id 5') as raised:
        build(folder, properties=dict(angle=ANGLE, joints=JOINTS, depth=DEPTH))
    text = str(raised.value)
    assert text.startswith(f'{folder}/annotations.json: ')
    assert raised.match(message)


def test_a_field_that_nobody_has_is_named(folder):
    other = dict(type='ScalarProperty', key='deepness')
    message = r"no annotation has the fields \['deepness'\].*'angles', 'area'.*'depth'"
    with pytest.raises(ValueError, match=message):
        build(folder, properties=dict(angle=ANGLE, depth=other))
    with pytest.raises(ValueError, match='properties is empty'):
        build(folder, properties={})


def test_a_file_without_annotations_is_fine(folder):
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    content['annotations'] = []
    path.write_text(json.dumps(content))
    assert instances(build(folder)) == []


def test_other_parts_know_it_as_a_coco_dataset(folder):
    assert issubclass(CocoPropertyDataset, CocoDataset)
    properties = dict(angle=ANGLE)
    assert label_names(config(folder, properties=properties)) == CLASSES


def test_through_the_pipeline_into_gt_instances(folder):
    dataset = build(folder, pipeline=PIPELINE)
    seen = [dataset[number]['data_samples'].gt_instances for number in range(4)]
    angles = torch.cat([one.angles for one in seen])
    expected = 180 - 10 * torch.arange(1.0, 9)
    torch.testing.assert_close(angles, expected % 360)
    # The first joint is the upper left corner, the right one after the flip.
    corners = torch.cat([one.bboxes.tensor[:, [2, 1]] for one in seen])
    torch.testing.assert_close(
        torch.cat([one.keypoints[:, 0] for one in seen]), corners
    )


@pytest.mark.parametrize('kind', ['Mosaic', 'MixUp'])
def test_images_are_mixed(folder, kind):
    size = dict(Mosaic='img_scale', MixUp='img_scale')[kind]
    dataset = DATASETS.build(
        dict(
            type='MultiImageMixDataset',
            dataset=config(
                folder,
                properties=dict(angle=ANGLE, joints=JOINTS),
                pipeline=PIPELINE[:3],
            ),
            pipeline=[{'type': kind, size: (64, 64)}, dict(type='PackPropertyInputs')],
        )
    )
    for number in range(len(dataset)):
        found = dataset[number]['data_samples'].gt_instances
        assert len(found.angles) == len(found.bboxes) > 0


def change_categories(folder, **fields):
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for category in content['categories']:
        category.update(fields)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize('pairs', [[[1, 2], [2, 3]], [[0, 1], [1, 2]]])
def test_the_skeleton_of_the_file(folder, pairs):
    """COCO counts from 1, some files from 0."""
    assert 'skeleton' not in build(folder).metainfo
    change_categories(folder, skeleton=pairs)
    assert build(folder).metainfo['skeleton'] == ((0, 1), (1, 2))
    own = dict(classes=CLASSES, skeleton=((0, 2),))
    assert build(folder, metainfo=own).metainfo['skeleton'] == ((0, 2),)
    change_categories(folder, skeleton=[])
    assert 'skeleton' not in build(folder).metainfo
