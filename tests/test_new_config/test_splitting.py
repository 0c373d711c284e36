import shutil

import numpy as np
import pytest

from mmdet_centernet.files import write_image
from mmdet_centernet.new_config.checks import (
    check_equal,
    drop_duplicate_categories,
    duplicate_names,
    used_classes,
)
from mmdet_centernet.new_config.split import Split, coco_content, complete, divide

COUNT, TWINS = 40, 3


@pytest.fixture
def split(tmp_path):
    """40 images with a box each; four are equal, one of them under another name."""
    random = np.random.default_rng(0)
    for number in range(COUNT):
        image = random.integers(0, 255, (8, 8, 3), np.uint8)
        write_image(tmp_path / f'{number:02}.png', image)
    for number in range(1, TWINS + 1):
        shutil.copy(tmp_path / '00.png', tmp_path / f'{number:02}.png')
    images = [
        dict(id=number, file_name=f'{number:02}.png', width=8, height=8)
        for number in range(COUNT)
    ]
    notes = [
        dict(image_id=image['id'], category_id=1, bbox=[0, 0, 4, 4], iscrowd=0)
        for image in images
    ]
    return Split(coco_content(images, notes, ['a', 'b']), tmp_path, tmp_path / 'a.json')


def names(split):
    return [image['file_name'] for image in split.content['images']]


def test_both_parts_are_the_whole_with_its_boxes(split):
    train, val = divide(split, seed=0)
    assert sorted(names(train) + names(val)) == names(split)
    assert len(names(val)) == pytest.approx(0.15 * COUNT, abs=TWINS)
    for part in (train, val):
        assert part.source is None
        notes = part.content['annotations']
        assert [n['image_id'] for n in notes] == [
            i['id'] for i in part.content['images']
        ]
        assert [n['id'] for n in notes] == list(range(1, len(notes) + 1))


def test_equal_images_stay_together_whatever_the_seed(split):
    for number in range(0, COUNT, 4):
        for twin in range(1, 4):
            first = split.folder / f'{number:02}.png'
            shutil.copy(first, split.folder / f'{number + twin:02}.png')
    for seed in range(20):
        train, val = divide(split, seed)
        groups = [{int(name[:2]) // 4 for name in names(part)} for part in (train, val)]
        assert not groups[0] & groups[1]
        assert len(names(val)) in (4, 8)


def test_the_seed_alone_decides(split, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp('elsewhere') / 'data'
    shutil.copytree(split.folder, elsewhere)
    again = Split(split.content, elsewhere)
    assert names(divide(again, 1)[1]) == names(divide(split, 1)[1])
    assert names(divide(split, 2)[1]) != names(divide(split, 1)[1])


def test_two_images_are_one_and_one(split):
    content = {**split.content, 'images': split.content['images'][3:5]}
    train, val = divide(Split(content, split.folder), seed=0)
    assert len(names(train)) == len(names(val)) == 1
    content = {**split.content, 'images': split.content['images'][:2]}
    with pytest.raises(ValueError, match='has 1 different images'):
        divide(Split(content, split.folder), seed=0)


@pytest.mark.parametrize(
    ('found', 'kept'),
    [
        (('train', 'val', 'test'), ('train', 'val', 'test')),
        (('train', 'val'), ('train', 'val')),
        (('train', 'test'), ('test',)),
        (('trainval', 'test'), ('test',)),
        (('trainval', 'val'), ('val',)),
        (('all',), ()),
    ],
)
def test_what_is_split_and_what_is_kept(split, found, kept):
    done = complete(dict.fromkeys(found, split), seed=0)
    assert list(done) == ['train', 'val', *(['test'] if 'test' in found else [])]
    for name in kept:
        assert done[name].source == split.source


@pytest.mark.parametrize('found', [('val',), ('all', 'train'), ('all', 'trainval')])
def test_it_is_not_clear_what_to_train_on(split, found):
    with pytest.raises(ValueError, match=f'found {" and ".join(found)}, which leaves'):
        complete(dict.fromkeys(found, split), seed=0)


def rename(split, *categories, source=None):
    found = [dict(id=number, name=name) for number, name in categories]
    return Split({**split.content, 'categories': found}, split.folder, source)


def test_a_double_without_boxes_is_dropped_where_the_file_is_written_here(split):
    doubled = rename(split, (0, 'cell'), (1, 'cell'), (2, 'dot'))
    dropped = drop_duplicate_categories(dict(train=doubled))['train']
    assert [one['id'] for one in dropped.content['categories']] == [1, 2]
    assert not duplicate_names(dropped)
    kept = rename(split, (0, 'cell'), (1, 'cell'), source=split.source)
    assert drop_duplicate_categories(dict(train=kept))['train'] is kept
    (text,) = duplicate_names(kept)
    assert "id 0 (0 boxes) and id 1 (40 boxes) are all called 'cell'" in text


def test_classes_stand_in_the_order_of_the_file_without_those_that_have_no_box(split):
    content = split.content
    notes = [dict(n, category_id=5 - n['image_id'] % 2) for n in content['annotations']]
    listed = rename(split, (5, 'z'), (9, 'never'), (4, 'a'))
    again = Split({**listed.content, 'annotations': notes}, split.folder)
    assert used_classes(dict(train=again)) == ['z', 'a']


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        ([(1, 'a'), (3, 'b')], 'only in one'),
        ([(1, 'a'), (2, 'c')], 'only in the other'),
        ([(2, 'b'), (1, 'a')], 'the order is'),
    ],
)
def test_splits_with_different_categories(split, other, message):
    check_equal(dict(train=split, val=split))
    with pytest.raises(ValueError, match=f'train and val have different.*{message}'):
        check_equal(dict(train=split, val=rename(split, *other)))
