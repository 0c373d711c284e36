import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.datasets import CocoDataset, VOCDataset
from PIL import ExifTags, Image

from helpers.images import draw_images, write_coco, write_voc
from helpers.shared_data import shared_path
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.annotations import KEPT, count_classes, drop_reasons
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.readers import read_annotations

CLASSES = ('square', 'disc')


def config(folder, classes=CLASSES):
    return dict(
        type='CocoDataset',
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=classes),
    )


def read(folder, classes=CLASSES):
    (annotations,) = read_annotations(config(folder, classes))
    return annotations


@pytest.fixture
def dataset(tmp_path):
    """A valid dataset, and a function that changes its json."""
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)

    def change(function):
        path = tmp_path / 'annotations.json'
        content = json.loads(path.read_text())
        function(content)
        path.write_text(json.dumps(content))

    return tmp_path, change


def test_valid_file_has_no_findings(dataset):
    annotations = read(dataset[0])
    assert check_file(annotations) == []
    assert check_splits(dict(train=[annotations]), num_classes=2) == []
    assert count_classes(annotations) == dict(square=4, disc=4)


def only_finding(folder, classes=CLASSES):
    (text,) = check_file(read(folder, classes))
    return text


NUMBER = st.integers(-20, 84).map(float) | st.sampled_from([0.5, 1.0, 63.5])
NOTE = st.fixed_dictionaries(
    dict(
        bbox=st.tuples(NUMBER, NUMBER, NUMBER, NUMBER),
        area=st.sampled_from([0, 1, 100]),
        category_id=st.integers(1, 4),
        ignore=st.booleans(),
        iscrowd=st.integers(0, 1),
    )
)


@settings(max_examples=60)
@given(notes=st.lists(NOTE, max_size=6))
def test_mmdet_drops_the_same_boxes(tmp_path_factory, notes):
    folder = tmp_path_factory.mktemp('coco')
    notes = [dict(note, id=i, image_id=7) for i, note in enumerate(notes)]
    content = dict(
        images=[dict(id=7, file_name='a.jpg', width=64, height=48)],
        annotations=notes,
        categories=[dict(id=i + 1, name=n) for i, n in enumerate((*CLASSES, 'other'))],
    )
    (folder / 'annotations.json').write_text(json.dumps(content))
    annotations = read(folder)
    options = config(folder)
    del options['type']
    (info,) = CocoDataset(**options, test_mode=True, lazy_init=True).load_data_list()
    kept = annotations.boxes[drop_reasons(annotations) == KEPT]
    np.testing.assert_array_equal(
        kept, np.reshape([box['bbox'] for box in info['instances']], (-1, 4))
    )
    counts = count_classes(annotations)
    for label, name in enumerate(CLASSES):
        learned = [
            box
            for box in info['instances']
            if box['bbox_label'] == label and not box['ignore_flag']
        ]
        assert counts[name] == len(learned)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_mmdet_keeps_the_same_boxes_of_real_files(split):
    folder = shared_path('data/coco_open')
    path = folder / f'annotations/instances_{split}2017.json'
    cfg = dict(
        type='CocoDataset',
        ann_file=str(path),
        data_prefix=dict(img=str(folder / f'{split}2017')),
    )
    (annotations,) = read_annotations(cfg)
    del cfg['type']
    infos = CocoDataset(**cfg, test_mode=True).load_data_list()
    kept = drop_reasons(annotations) == KEPT
    assert kept.sum() == sum(len(info['instances']) for info in infos)
    crowds = sum(box['ignore_flag'] for info in infos for box in info['instances'])
    assert (annotations.crowds & kept).sum() == crowds > 0
    assert not any('do not exist' in text for text in check_file(annotations))


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [
        (dict(bbox=[10, 10, 0, 5]), 'no width or height'),
        (dict(bbox=[10, 10, -4, 5]), 'no width or height'),
        (dict(bbox=[70, 10, 5, 5]), 'outside the image'),
        (dict(bbox=[10, 10, 0.5, 5]), 'thinner than a pixel'),
        (dict(bbox=[float('nan'), 10, 5, 5]), 'not a finite number'),
        (dict(area=0), 'an area of 0 in the file'),
        (dict(ignore=True), 'marked with ignore'),
    ],
)
def test_dropped_boxes_are_reported_with_image_and_reason(dataset, fault, reason):
    folder, change = dataset
    change(lambda content: content['annotations'][2].update(fault))
    text = only_finding(folder)
    assert f'1 boxes are left out: {reason} (000001.jpg)' in text
    options = config(folder)
    del options['type']
    assert len(CocoDataset(**options)[1]['instances']) == 1  # mmdet agrees


def test_fractions_are_detected(dataset):
    folder, change = dataset

    def divide(content):
        for note in content['annotations']:
            note['bbox'] = [number / 64 for number in note['bbox']]

    change(divide)
    findings = check_file(read(folder))
    assert any('seem to be fractions of the image' in text for text in findings)
    assert any('8 boxes are left out: thinner than a pixel' in t for t in findings)


def test_corners_instead_of_sizes_are_detected(dataset):
    folder, change = dataset

    def add(content):
        for note in content['annotations']:
            x, y, width, height = note['bbox']
            note['bbox'] = [x, y, x + width, y + height]

    change(add)
    assert 'are these x1, y1, x2, y2?' in only_finding(folder)


def test_categories_that_metainfo_lacks(dataset):
    findings = check_file(read(dataset[0], classes=('square',)))
    assert any(
        'metainfo.classes lacks categories of the file' in text for text in findings
    )
    assert any('4 boxes are left out: a category outside' in t for t in findings)


def test_misspelled_class(dataset):
    annotations = read(dataset[0], classes=('Square', 'disc'))
    findings = check_file(annotations)
    assert any(
        'the file lacks classes of metainfo: Square. Spell them as in the file' in t
        for t in findings
    )
    (text,) = check_splits(dict(train=[annotations]), num_classes=2)
    assert text == 'train: 1 of 2 classes have no example: Square'


def test_a_category_id_without_a_category(dataset):
    folder, change = dataset
    change(lambda content: content['annotations'][0].update(category_id=99))
    findings = check_file(read(folder))
    assert any('1 boxes have a category_id that the list' in t for t in findings)


def test_class_order_differs_from_the_file(dataset):
    folder, _ = dataset
    classes = CLASSES[::-1]
    assert 'visualizations show wrong names' in only_finding(folder, classes)
    options = config(folder, classes)
    del options['type']
    labels = [box['bbox_label'] for box in CocoDataset(**options)[0]['instances']]
    assert labels == [0, 1]  # square, disc: the order of the file


def test_splits_that_number_classes_differently(dataset, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    write_coco(other, draw_images(CLASSES[::-1]), CLASSES[::-1])
    splits = dict(train=[read(dataset[0])], val=[read(other)])
    (text,) = check_splits(splits, num_classes=2)
    assert 'number the classes differently' in text


def test_splits_without_the_last_classes_number_classes_alike(tmp_path):
    write_coco(tmp_path / 'all', draw_images(CLASSES), CLASSES)
    write_coco(tmp_path / 'few', draw_images(CLASSES[:1]), CLASSES[:1])
    few, everything = read(tmp_path / 'few'), read(tmp_path / 'all')
    for splits in (dict(train=[everything], val=[few]), dict(test=[few, everything])):
        assert not any('differently' in text for text in check_splits(splits, 2))


def test_the_head_has_another_number_of_classes(dataset):
    (text,) = check_splits(dict(train=[read(dataset[0])]), num_classes=3)
    assert 'metainfo has 2 classes, the head 3' in text


def test_missing_images(dataset):
    folder, _ = dataset
    (folder / 'images/000002.jpg').unlink()
    text = only_finding(folder)
    assert '1 of 4 images' in text
    assert '000002.jpg' in text
    assert isinstance(text, Fault)


def test_windows_folder_separators(dataset):
    dataset[1](lambda c: c['images'][0].update(file_name='a\\000000.jpg'))
    assert 'Separate folders by /' in only_finding(dataset[0])


def test_other_format_is_refused(dataset):
    dataset[1](lambda c: c.pop('categories'))
    with pytest.raises(ValueError, match="no list of 'categories'"):
        read(dataset[0])


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda c: c['annotations'][3].pop('area'), "annotations[3] has no ['area']"),
        (lambda c: c['images'].append(None), 'images[4] is None; it has to have'),
        (lambda c: c['images'][0].update(width='9'), 'it has to be a number'),
        (lambda c: c['annotations'][0].update(bbox=[1, 2]), '[x, y, width, height]'),
        (lambda c: c['annotations'][0].update(area=None), 'has to be a number'),
        (lambda c: c['annotations'][1].update(id=1), '1 ids of annotations occur'),
    ],
)
def test_entries_that_mmdet_cannot_read_are_reported(dataset, change, words):
    dataset[1](change)
    annotations = read(dataset[0])
    faults = [text for text in annotations.findings if isinstance(text, Fault)]
    assert any(words in text for text in faults)
    assert annotations.source in faults[0]
    with pytest.raises(Exception):  # noqa: B017, of many types
        options = config(dataset[0])
        CocoDataset(**{k: v for k, v in options.items() if k != 'type'})


def test_equal_faults_are_reported_once(dataset):
    def spoil(content):
        for note in content['annotations'][2:]:
            del note['area']

    dataset[1](spoil)
    annotations = read(dataset[0])
    (text,) = annotations.findings
    assert 'annotations[2] has no' in text
    assert 'likewise annotations[3], annotations[4]' in text
    assert len(annotations.boxes) == 2


def test_boxes_of_unlisted_images(dataset):
    dataset[1](lambda c: c['annotations'][3].update(image_id=77))
    (text,) = read(dataset[0]).findings
    assert 'does not list, the first to image_id 77' in text
    assert not isinstance(text, Fault)  # mmdet trains on the others
    options = config(dataset[0])
    del options['type']
    assert sum(len(info['instances']) for info in CocoDataset(**options)) == 7


def test_classes_as_a_string(dataset):
    (text,) = read(dataset[0], classes='square').findings
    assert "write ('square',), with the comma" in text


def test_voc(tmp_path):
    write_voc(tmp_path, draw_images(VOCDataset.METAINFO['classes']))
    options = dict(
        data_root=str(tmp_path),
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
    )
    (annotations,) = read_annotations(dict(type='VOCDataset', **options))
    infos = VOCDataset(**options)
    expected = [box['bbox'] for info in infos for box in info['instances']]
    np.testing.assert_array_equal(annotations.boxes, expected)
    assert check_file(annotations)[0].startswith(annotations.source)
    assert count_classes(annotations)['aeroplane'] == 1
    path = tmp_path / 'VOC2007/Annotations/000000.xml'
    path.write_text(path.read_text().replace('<difficult>0', '<difficult>1'))
    (annotations,) = read_annotations(dict(type='VOCDataset', **options))
    assert annotations.crowds.tolist() == [True, True] + [False] * 6


def test_wrapped_datasets_are_read(dataset):
    inner = config(dataset[0])
    wrapped = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=[inner, inner]),
    )
    assert len(read_annotations(wrapped)) == 2


def test_broken_images_are_reported(dataset):
    folder, _ = dataset
    path = folder / 'images/000002.jpg'
    path.write_bytes(path.read_bytes()[:-100])
    text = only_finding(folder)
    assert '1 images cannot be read' in text
    assert '000002.jpg' in text


def test_images_rotated_by_exif(dataset):
    folder, change = dataset

    def widen(content):
        content['images'][1]['width'] += 20

    change(widen)
    path = folder / 'images' / '000001.jpg'
    image = Image.open(path)
    image = image.resize((image.width + 20, image.height))
    image.save(path)
    assert check_file(read(folder)) == []
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(path, exif=exif)
    text = only_finding(folder)
    assert '1 images have another size than the file gives' in text
    assert f'has {image.height} x {image.width} pixels' in text
    assert cv2.imread(str(path)).shape[:2] == (image.width, image.height)


def test_missing_iscrowd_is_reported_for_evaluated_files(dataset):
    folder, change = dataset
    change(lambda c: c['annotations'][0].pop('iscrowd', None))
    annotations = read(folder)
    assert check_splits(dict(train=[annotations]), num_classes=2) == []
    (text,) = check_splits(dict(val=[annotations]), num_classes=2)
    assert 'add "iscrowd": 0' in text


def test_classes_without_examples(dataset):
    folder, change = dataset

    def drop_discs(content):
        disc = content['categories'][1]['id']
        content['annotations'] = [
            one for one in content['annotations'] if one['category_id'] != disc
        ]

    change(drop_discs)
    (text,) = check_splits(dict(train=[read(folder)]), num_classes=2)
    assert text == 'train: 1 of 2 classes have no example: disc'
