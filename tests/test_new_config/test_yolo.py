from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_centernet.new_config.listing import list_files
from mmdet_centernet.new_config.yolo import (
    find_labels,
    read_line,
    read_names,
    read_yolo,
)

WIDTH, HEIGHT = 640, 427
CORNERS = [(0, 0, 640, 427), (13, 7, 14, 9), (100.25, 50.5, 333.75, 400.125)]


def write_image(path, width=WIDTH, height=HEIGHT):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def write_labels(path, corners, label=1, digits=6):
    """Writes boxes as annotation tools do: center and size, six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for x1, y1, x2, y2 in corners:
        x, width = (x1 + x2) / 2 / WIDTH, (x2 - x1) / WIDTH
        y, height = (y1 + y2) / 2 / HEIGHT, (y2 - y1) / HEIGHT
        numbers = ' '.join(f'{v:.{digits}f}' for v in (x, y, width, height))
        lines.append(f'{label} {numbers}')
    path.write_text('\n'.join(lines))


def read(folder):
    listing = list_files(folder)
    return read_yolo(listing, find_labels(listing))


@pytest.fixture
def data(tmp_path):
    """One image with three boxes of the second of two classes."""
    write_image(tmp_path / 'images/a.jpg')
    write_labels(tmp_path / 'labels/a.txt', CORNERS, digits=9)
    (tmp_path / 'classes.txt').write_text('cat\ndog\n')
    return tmp_path


def test_boxes_are_those_that_were_drawn(data):
    content = read(data)['all'].content
    expected = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in CORNERS]
    found = [note['bbox'] for note in content['annotations']]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert [note['id'] for note in content['annotations']] == [1, 2, 3]
    assert {note['category_id'] for note in content['annotations']} == {2}
    assert content['categories'] == [dict(id=1, name='cat'), dict(id=2, name='dog')]
    assert content['images'] == [
        dict(id=1, file_name='images/a.jpg', width=WIDTH, height=HEIGHT)
    ]


def test_a_polygon_becomes_the_box_around_it():
    label, box = read_line('0 0.1 0.2 0.5 0.1 0.3 0.6', num_classes=1)
    assert label == 0
    np.testing.assert_allclose(box, [0.1, 0.1, 0.4, 0.5])


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('2 0.5 0.5 0.1 0.1', 'with 2 names'),
        ('0.5 0.5 0.5 0.1 0.1', 'whole number'),
        ('0 320 200 64 42', 'YOLO uses fractions'),
        ('0 0.5 0.5 0.1 nan', 'YOLO uses fractions'),
        ('0 0.5 0.5 0.1', 'has 3 numbers'),
        ('0 0.5 0.5 0.1 0.1 0.9', 'has 5 numbers'),
        ('cat 0.5 0.5 0.1 0.1', 'could not convert'),
    ],
)
def test_a_line_that_cannot_be_understood(data, line, message):
    (data / 'labels/a.txt').write_text(f'0 0.5 0.5 0.1 0.1\n\n{line}\n')
    with pytest.raises(ValueError, match=message) as error:
        read(data)
    assert 'a.txt, line 3' in str(error.value)


@pytest.mark.parametrize(
    ('image', 'labels', 'split'),
    [
        ('images/train/b/x.jpg', 'labels/train/b/x.txt', 'train'),
        ('valid/images/x.jpg', 'valid/labels/x.txt', 'val'),
        ('test/x.jpg', 'test/x.txt', 'test'),
        ('test/x.jpg', 'test/labels/x.txt', 'test'),
    ],
)
def test_where_labels_lie(data, image, labels, split):
    write_image(data / image)
    write_labels(data / labels, CORNERS[:1])
    splits = read(data)
    assert len(splits['all'].content['annotations']) == len(CORNERS)
    assert splits[split].content['images'][0]['file_name'] == image
    assert len(splits[split].content['annotations']) == 1


def test_images_without_a_file_have_no_objects(data):
    write_image(data / 'images/b.jpg')
    content = read(data)['all'].content
    assert len(content['images']) == 2
    assert len(content['annotations']) == len(CORNERS)


@pytest.mark.parametrize('names', ['[red, blue]', '{1: blue, 0: red}'])
def test_names_in_a_yaml(data, names):
    (data / 'data.yaml').write_text(f'train: images\nnames: {names}\n')
    assert read_names(list_files(data)) == ['red', 'blue']


def test_labels_without_names(data):
    (data / 'classes.txt').unlink()
    with pytest.raises(ValueError, match=r'write classes\.txt'):
        read(data)


def test_labels_without_images(data):
    write_labels(data / 'labels/gone.txt', CORNERS)
    with pytest.raises(ValueError, match=r'1 text files have no image.*gone\.txt'):
        read(data)


def split_of(data):
    """Maps splits to the names of their images."""
    return {
        split: [Path(image['file_name']).name for image in found.content['images']]
        for split, found in read(data).items()
    }


def test_lists_say_the_split(data):
    for name in ('images/b.jpg', 'images/c.jpg', 'images/more/c.jpg'):
        write_image(data / name)
    (data / 'train.txt').write_text('data/images/a.jpg\n/home/me/images/more/c.jpg\n')
    (data / 'valid.txt').write_text('./images/b.jpg\n')
    assert split_of(data) == dict(train=['a.jpg', 'c.jpg'], val=['b.jpg'])
    images = read(data)['train'].content['images']
    assert images[1]['file_name'] == 'images/more/c.jpg'
    (data / 'train.txt').write_text('a.jpg\ngone.jpg\n')
    with pytest.raises(ValueError, match=r'train\.txt lists 1 images.*gone\.jpg'):
        split_of(data)


@pytest.mark.parametrize(
    ('entries', 'split'),
    [
        ('train: images/one\nval: ../images/two', dict(train=['b.jpg'], val=['c.jpg'])),
        ('path: images\ntrain: one\nval: two', dict(train=['b.jpg'], val=['c.jpg'])),
        (
            'train: [images/one, images/more]\nval:\n  - images/two\n  - nowhere',
            dict(train=['d.jpg', 'b.jpg'], val=['c.jpg']),
        ),
        (
            'train: [images/one, images/two]\nval: [images/two]',
            dict(all=['a.jpg', 'd.jpg', 'b.jpg', 'c.jpg']),
        ),
        (
            'path: /gone\ntrain: images\nval: images',
            dict(all=['a.jpg', 'd.jpg', 'b.jpg', 'c.jpg']),
        ),
        (
            'train: nowhere\nval: images',
            dict(all=['a.jpg', 'd.jpg', 'b.jpg', 'c.jpg']),
        ),
    ],
)
def test_a_yaml_names_folders(data, entries, split):
    write_image(data / 'images/one/b.jpg')
    write_image(data / 'images/two/c.jpg')
    write_image(data / 'images/more/d.jpg')
    (data / 'data.yaml').write_text(f'{entries}\nnames: [cat, dog]')
    assert split_of(data) == split


def test_a_broken_yaml_is_named(data):
    (data / 'data.yaml').write_text('names: [cat, dog')
    with pytest.raises(ValueError, match=r'data\.yaml is no YAML'):
        read(data)
