import itertools
import json

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from tool_modules import load_tool

digits = load_tool('make_digits.py')
COUNTS = dict(train=30, val=20)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'digits'
    assert digits.write_dataset(folder, COUNTS, seed=0)
    return folder


def annotations(folder, split):
    return json.loads((folder / f'{split}.json').read_text())['annotations']


def test_training_and_validation_share_no_scan():
    train, val = (
        {scan.tobytes() for scan in scans}
        for scans, _ in digits.split_scans(seed=0).values()
    )
    assert not train & val
    assert len(train | val) == 1797  # all that load_digits has, no two alike
    assert len(val) == 359


def test_boxes_are_tight_around_the_ink(monkeypatch):
    monkeypatch.setattr(digits, 'COUNTS', (1, 1))
    shape = (digits.CANVAS, digits.CANVAS, 3)
    monkeypatch.setattr(
        digits, 'background', lambda rng: np.full(shape, 128, np.float32)
    )
    scans = digits.split_scans(seed=0)['val']
    for seed in range(40):
        picture, (digit,) = digits.canvas(np.random.default_rng(seed), *scans)
        change = np.abs(picture.astype(float) - 128).max(axis=2)
        ys, xs = np.nonzero(change > 0.45 * change.max())
        seen = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        assert np.abs(np.subtract(seen, digit.box)).max() <= 1


def test_mmdet_reads_it(dataset):
    classes = tuple('0123456789')
    for split, count in COUNTS.items():
        read = CocoDataset(
            data_root=str(dataset),
            ann_file=f'{split}.json',
            data_prefix=dict(img=f'{split}/'),
            metainfo=dict(classes=classes),
        )
        assert len(read) == count
        for info in read:
            assert cv2.imread(info['img_path']).shape == (128, 128, 3)
            assert 2 <= len(info['instances']) <= 4
        written = [note['category_id'] - 1 for note in annotations(dataset, split)]
        labels = [i['bbox_label'] for info in read for i in info['instances']]
        assert labels == written


def test_digits_are_inside_of_the_announced_size_and_some_overlap(dataset):
    notes = annotations(dataset, 'train')
    boxes = np.array([note['bbox'] for note in notes])
    assert boxes[:, :2].min() >= 0
    assert (boxes[:, :2] + boxes[:, 2:]).max() <= 128
    assert boxes[:, 3].min() >= 40
    assert boxes[:, 3].max() <= 72
    assert {note['category_id'] for note in notes} == set(range(1, 11))
    overlapping = [
        digits._covered(_corners(one), _corners(other)) > 0
        for one, other in itertools.combinations(notes, 2)
        if one['image_id'] == other['image_id']
    ]
    assert any(overlapping)
    assert not all(overlapping)


def _corners(note):
    left, top, width, height = note['bbox']
    return left, top, left + width, top + height


def test_the_seed_decides(dataset, tmp_path):
    def first(folder):
        return (folder / 'train' / '00000.png').read_bytes()

    same, other = tmp_path / 'same', tmp_path / 'other'
    digits.write_dataset(same, dict(train=1, val=1), seed=0)
    digits.write_dataset(other, dict(train=1, val=1), seed=1)
    assert first(same) == first(dataset) != first(other)


def test_second_call_writes_nothing_and_other_settings_replace(tmp_path):
    folder = tmp_path / 'digits'
    assert digits.write_dataset(folder, dict(train=2, val=1), seed=0)
    before = (folder / 'train.json').stat().st_mtime_ns
    assert not digits.write_dataset(folder, dict(train=2, val=1), seed=0)
    assert (folder / 'train.json').stat().st_mtime_ns == before
    assert digits.write_dataset(folder, dict(train=3, val=1), seed=0)
    assert len(list((folder / 'train').iterdir())) == 3


def test_an_interrupted_call_leaves_nothing(tmp_path, monkeypatch):
    write_split = digits._write_split

    def interrupted(folder, name, *rest):
        write_split(folder, name, *rest)
        if name == 'val':
            raise KeyboardInterrupt

    folder = tmp_path / 'digits'
    monkeypatch.setattr(digits, '_write_split', interrupted)
    with pytest.raises(KeyboardInterrupt):
        digits.write_dataset(folder, dict(train=2, val=1), seed=0)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert digits.write_dataset(folder, dict(train=2, val=1), seed=0)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('years of work')
    with pytest.raises(FileExistsError, match='choose another'):
        digits.write_dataset(tmp_path, COUNTS, seed=0)
    assert (tmp_path / 'thesis.txt').exists()
