import json

import pytest
from pictures import draw_pictures, write_coco

from mmdet_centernet.new_config.coco import read_coco
from mmdet_centernet.new_config.kinds import find_kind
from mmdet_centernet.new_config.listing import list_files

CLASSES = ('square', 'disc')


@pytest.fixture
def data(tmp_path):
    write_coco(tmp_path, draw_pictures(CLASSES), CLASSES)
    return tmp_path


def copy_json(data, *names):
    content = (data / 'annotations.json').read_text()
    for name in names:
        path = data / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (data / 'annotations.json').unlink()


@pytest.mark.parametrize(
    ('name', 'split'),
    [
        ('instances_train2017.json', 'train'),
        ('valid/_annotations.coco.json', 'val'),
        ('ann/test.json', 'test'),
        ('trainval.json', 'trainval'),
        ('latest.json', 'all'),
    ],
)
def test_the_name_says_which_split_it_is(data, name, split):
    copy_json(data, name)
    (found,) = read_coco(list_files(data)).items()
    assert found[0] == split
    assert found[1].source == data / name


@pytest.mark.parametrize('folder', ['.', 'images', 'train', 'images/train', 'a/b'])
def test_photos_are_found(data, folder):
    copy_json(data, 'ann/train.json')
    target = data / folder
    if folder != 'images':
        target.mkdir(parents=True, exist_ok=True)
        for photo in (data / 'images').glob('*.jpg'):
            photo.rename(target / photo.name)
    assert read_coco(list_files(data))['train'].folder == target


def test_each_split_takes_its_own_photos_of_equal_names(data):
    copy_json(data, 'train.json', 'val.json')
    (data / 'val2017').mkdir()
    for photo in (data / 'images').glob('*.jpg'):
        (data / 'val2017' / photo.name).write_bytes(photo.read_bytes())
    (data / 'images').rename(data / 'train2017')
    splits = read_coco(list_files(data))
    assert splits['train'].folder == data / 'train2017'
    assert splits['val'].folder == data / 'val2017'


def test_train_and_val_together_are_left_out(data):
    copy_json(data, 'train.json', 'val.json', 'trainval.json')
    assert sorted(read_coco(list_files(data))) == ['train', 'val']


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        (('train.json', 'train2.json'), 'are both for train'),
        (('one.json', 'two.json'), 'no split that their names say'),
    ],
)
def test_two_files_of_one_split(data, names, said):
    copy_json(data, *names)
    with pytest.raises(ValueError, match=said):
        read_coco(list_files(data))


@pytest.mark.parametrize(
    ('part', 'change', 'said'),
    [
        ('images', dict(width=None), r'images\[0\] has the width None'),
        ('images', dict(id=1), 'ids of images are there more than once'),
        ('annotations', dict(image_id=99), 'image_id that the list of images lacks'),
        ('annotations', dict(category_id=2), 'category_id that the list of categories'),
        ('annotations', dict(bbox=[1, 2, 3]), r'x, y, width, height'),
        ('annotations', dict(area=None), '1 boxes have no area'),
        ('annotations', dict(iscrowd=None), 'add "iscrowd": 0'),
        ('categories', dict(name=3), 'has the name 3'),
    ],
)
def test_what_mmdet_stumbles_at_is_named(data, part, change, said):
    path = data / 'annotations.json'
    content = json.loads(path.read_text())
    content[part][0].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=said) as error:
        read_coco(list_files(data))
    assert 'annotations.json' in str(error.value)


def test_a_missing_field_is_named(data):
    path = data / 'annotations.json'
    content = json.loads(path.read_text())
    del content['images'][2]['height']
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'images\[2\] has no height'):
        read_coco(list_files(data))


def test_no_boxes_and_several_formats(data):
    assert find_kind(list_files(data)) == 'COCO'
    (data / 'images/000001.txt').write_text('0 0.5 0.5 0.1 0.1')
    with pytest.raises(ValueError, match='has boxes in COCO and YOLO'):
        find_kind(list_files(data))
    (data / 'images/000001.txt').unlink()
    (data / 'annotations.json').write_text('{')
    with pytest.raises(ValueError, match=r'has no boxes\.') as error:
        find_kind(list_files(data))
    for looked_for in ('4 photos', 'COCO: 0 of 1', 'VOC: 0 of 0', 'YOLO: 0 of 0'):
        assert looked_for in str(error.value)
    with pytest.raises(NotADirectoryError, match='is no folder'):
        list_files(data / 'nowhere')
