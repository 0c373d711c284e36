import json
from pathlib import Path

import pytest

from helpers.images import draw_images, write_coco
from mmdet_centernet.new_config.coco import find_coco, read_coco
from mmdet_centernet.new_config.listing import list_files
from mmdet_centernet.new_config.make import read_folder

CLASSES = ('square', 'disc')


def read(folder):
    listing = list_files(folder)
    return read_coco(listing, find_coco(listing))


@pytest.fixture
def data(tmp_path):
    write_coco(tmp_path, draw_images(CLASSES), CLASSES)
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
    (found,) = read(data).items()
    assert found[0] == split
    assert found[1].source == data / name


@pytest.mark.parametrize('folder', ['.', 'images', 'train', 'images/train', 'a/b'])
def test_images_are_found(data, folder):
    copy_json(data, 'ann/train.json')
    target = data / folder
    if folder != 'images':
        target.mkdir(parents=True, exist_ok=True)
        for path in (data / 'images').glob('*.jpg'):
            path.rename(target / path.name)
    assert read(data)['train'].folder == target


def test_each_split_takes_its_own_images_of_equal_names(data):
    copy_json(data, 'train.json', 'val.json')
    (data / 'val2017').mkdir()
    for path in (data / 'images').glob('*.jpg'):
        (data / 'val2017' / path.name).write_bytes(path.read_bytes())
    (data / 'images').rename(data / 'train2017')
    splits = read(data)
    assert splits['train'].folder == data / 'train2017'
    assert splits['val'].folder == data / 'val2017'


def scatter(data):
    """Moves each image to a folder of its own; file names are without folders."""
    for path in sorted((data / 'images').glob('*.jpg')):
        target = data / f'cameras/{path.stem}'
        target.mkdir(parents=True)
        path.rename(target / path.name)


def test_images_in_several_folders_are_named_from_the_root_on(data):
    scatter(data)
    split = read(data)['all']
    assert split.source is None  # it has to be written
    assert split.folder == data
    names = [image['file_name'] for image in split.content['images']]
    assert names == [f'cameras/00000{i}/00000{i}.jpg' for i in range(4)]
    original = json.loads((data / 'annotations.json').read_text())
    assert split.content['annotations'] == original['annotations']


def test_two_images_of_the_name_stay_missing(data):
    scatter(data)
    path = data / 'cameras/000001/000001.jpg'
    (data / 'copy').mkdir()
    (data / 'copy/000001.jpg').write_bytes(path.read_bytes())
    missing = [path for path in read(data)['all'].paths if not Path(path).is_file()]
    assert [Path(path).name for path in missing] == ['000001.jpg']


def test_a_file_is_parsed_once(data, monkeypatch):
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, 'loads', lambda text: parsed.append(1) or loads(text))
    read_folder(list_files(data))
    assert len(parsed) == 1


def test_train_and_val_together_are_left_out(data):
    copy_json(data, 'train.json', 'val.json', 'trainval.json')
    assert sorted(read(data)) == ['train', 'val']


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (('train.json', 'train2.json'), 'are both for train'),
        (('one.json', 'two.json'), 'both name no split'),
    ],
)
def test_two_files_of_one_split(data, names, message):
    copy_json(data, *names)
    with pytest.raises(ValueError, match=message):
        read(data)


@pytest.mark.parametrize(
    ('part', 'change', 'message'),
    [
        ('images', dict(width=None), r'images\[0\] has the width None'),
        ('images', dict(id=1), 'ids of images occur more than once'),
        ('annotations', dict(image_id=99), 'image_id that is not in images'),
        ('annotations', dict(category_id=2), 'category_id that is not in categories'),
        ('annotations', dict(bbox=[1, 2, 3]), r'x, y, width, height'),
        ('annotations', dict(area=None), '1 boxes have no area'),
        ('annotations', dict(iscrowd=None), 'add "iscrowd": 0'),
        ('categories', dict(name=3), 'has the name 3'),
    ],
)
def test_what_mmdet_stumbles_at_is_named(data, part, change, message):
    path = data / 'annotations.json'
    content = json.loads(path.read_text())
    content[part][0].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        read(data)
    assert 'annotations.json' in str(error.value)


def test_a_missing_field_is_named(data):
    path = data / 'annotations.json'
    content = json.loads(path.read_text())
    del content['images'][2]['height']
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"images\[2\] has no \['height'\]"):
        read(data)


def test_no_boxes_and_several_formats(data):
    kind, splits = read_folder(list_files(data))
    assert (kind, list(splits)) == ('COCO', ['all'])
    (data / 'images/000001.txt').write_text('0 0.5 0.5 0.1 0.1')
    with pytest.raises(ValueError, match='has boxes in COCO and YOLO'):
        read_folder(list_files(data))
    (data / 'images/000001.txt').unlink()
    (data / 'annotations.json').write_text('{')
    with pytest.raises(ValueError, match=r'has no boxes\.') as error:
        read_folder(list_files(data))
    for looked_for in ('4 images', 'COCO: 0 of 1', 'VOC: 0 of 0', 'YOLO: 0 of 0'):
        assert looked_for in str(error.value)
    with pytest.raises(NotADirectoryError, match='is not a folder'):
        list_files(data / 'nowhere')
