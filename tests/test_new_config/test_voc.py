import shutil

import numpy as np
import pytest
from mmdet.datasets import XMLDataset

from helpers.images import LabeledImage, Object, draw_images, write_voc
from mmdet_centernet.new_config.listing import list_files
from mmdet_centernet.new_config.voc import find_voc, read_voc

CLASSES = ('square', 'disc')


def read(folder):
    listing = list_files(folder)
    return read_voc(listing, find_voc(listing))


@pytest.fixture
def data(tmp_path):
    """Two years of four images; the first image has a difficult object."""
    (image, (first, *others)), *rest = draw_images(CLASSES)
    hard = LabeledImage(image, [Object(first.name, first.box, crowd=True), *others])
    write_voc(tmp_path, [hard, *rest])
    return tmp_path


def test_boxes_and_difficult_ones_are_those_that_mmdet_reads(data):
    """mmdet 3.3 subtracts 1 from the corners as well."""
    folder = data / 'VOC2007'
    dataset = XMLDataset(
        data_root=str(folder),
        ann_file='ImageSets/Main/test.txt',
        ann_subdir='Annotations',
        img_subdir='JPEGImages',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=tuple(sorted(CLASSES))),
        test_mode=True,
    )
    expected = [
        (*instance['bbox'], instance['bbox_label'], instance['ignore_flag'])
        for info in dataset
        for instance in info['instances']
    ]
    content = read(folder)['test'].content
    notes = content['annotations']
    found = [
        (x, y, x + width, y + height, note['category_id'] - 1, note['iscrowd'])
        for note in notes
        for x, y, width, height in [note['bbox']]
    ]
    np.testing.assert_allclose(found, expected)
    assert sum(note['iscrowd'] for note in notes) == 1
    assert [one['name'] for one in content['categories']] == sorted(CLASSES)


def test_lists_of_several_years_go_together(data):
    splits = read(data)
    assert sorted(splits) == ['test', 'trainval']
    names = [image['file_name'] for image in splits['test'].content['images']]
    assert len(names) == 8
    assert names[0] == 'VOC2007/JPEGImages/000000.jpg'
    assert names[-1] == 'VOC2012/JPEGImages/000003.jpg'


def test_without_lists_folders_say_the_split(data):
    for split in ('train', 'valid'):
        folder = data / 'exported' / split
        folder.mkdir(parents=True)
        shutil.copy(data / 'VOC2007/JPEGImages/000001.jpg', folder)
        shutil.copy(data / 'VOC2007/Annotations/000001.xml', folder)
    splits = read(data / 'exported')
    assert sorted(splits) == ['train', 'val']
    for split, folder in (('train', 'train'), ('val', 'valid')):
        (image,) = splits[split].content['images']
        assert image['file_name'] == f'{folder}/000001.jpg'


def test_a_missing_image_is_named(data):
    (data / 'VOC2007/JPEGImages/000002.jpg').unlink()
    with pytest.raises(ValueError, match=r'000002\.xml: no image is called'):
        read(data / 'VOC2007')


def test_a_missing_xml_is_named(data):
    (data / 'VOC2007/Annotations/000002.xml').unlink()
    with pytest.raises(ValueError, match=r'lists 1 images .*000002\.xml'):
        read(data / 'VOC2007')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('<annotation>', 'is no XML'),
        ('<annotation><object><bndbox/></object></annotation>', 'has no <name>'),
        ('<annotation><object><name>a</name></object></annotation>', 'lacks a number'),
    ],
)
def test_a_broken_xml_is_named(data, content, message):
    (data / 'VOC2007/Annotations/000002.xml').write_text(content)
    with pytest.raises(ValueError, match=rf'000002\.xml.*{message}'):
        read(data / 'VOC2007')
