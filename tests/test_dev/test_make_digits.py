import hashlib
import itertools
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import make_digits as digits
from helpers.tiny import REPO

COUNTS = dict(train=30, val=20)
GRAY = 128
UPRIGHT = '2791ed0a1b3c4ebb67755c44c191acbe2c1524625e1de28b70a353cdd5382324'
"""SHA-256 of the json files for 3 + 2 images."""
QUARTERS = (168, 139, 178), (194, 165, 197), (179, 137, 175), (155, 134, 161)
"""Mean colors of the quarters of the first one."""


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


@pytest.fixture
def lone_digits(monkeypatch):
    """Draws 40 images of one digit on gray: image, opacity and digit."""
    monkeypatch.setattr(digits, 'COUNTS', (1, 1))
    shape = (digits.CANVAS, digits.CANVAS, 3)
    monkeypatch.setattr(
        digits, 'background', lambda rng: np.full(shape, GRAY, np.float32)
    )

    def draw(rotate):
        scans = digits.split_scans(seed=0)['val']
        for seed in range(40):
            rng = np.random.default_rng(seed)
            image, (digit,) = digits.canvas(rng, *scans, rotate)
            change = np.abs(image.astype(float) - GRAY).max(axis=2)
            yield image, change / change.max(), digit

    return draw


@pytest.mark.parametrize('rotate', [0, 180])
def test_boxes_are_tight_around_the_ink(lone_digits, rotate):
    for _, opacity, digit in lone_digits(rotate):
        ys, xs = np.nonzero(opacity > 0.45)
        seen = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        assert np.abs(np.subtract(seen, digit.box)).max() <= 1


@pytest.mark.parametrize('rotate', [0, 180])
def test_corners_hold_the_ink_tightly(lone_digits, rotate):
    for _, opacity, digit in lone_digits(rotate):
        ys, xs = np.nonzero(opacity > 0.5)
        ink = np.column_stack([xs, ys]) + 0.5
        for start, end in zip(
            digit.corners, np.roll(digit.corners, -1, 0), strict=True
        ):
            along = (end - start) / np.linalg.norm(end - start)
            # Corners are clockwise, so the inside is to the right of each side.
            depth = (ink - start) @ (-along[1], along[0])
            assert -0.5 < depth.min() < 1.5


def test_a_digit_rotated_back_is_the_upright_digit(lone_digits):
    pairs = zip(lone_digits(0), rotated_back(lone_digits), strict=True)
    for (_, upright, _), (rotated, digit) in pairs:
        ys = np.nonzero(rotated > 0.5)[0]
        height = ys.max() + 1 - ys.min()
        assert height == pytest.approx(digit.height, abs=2)
        assert correlation(cut(upright), cut(rotated)) > 0.95


def rotated_back(lone_digits):
    """Rotated digits, rotated back by their angle with OpenCV."""
    for _, opacity, digit in lone_digits(180):
        room = cv2.copyMakeBorder(opacity, 64, 64, 64, 64, cv2.BORDER_CONSTANT)
        x1, y1, x2, y2 = digit.box
        center = (x1 + x2 - 1) / 2 + 64, (y1 + y2 - 1) / 2 + 64
        # OpenCV rotates counterclockwise.
        matrix = cv2.getRotationMatrix2D(center, digit.angle, 1)
        yield cv2.warpAffine(room, matrix, room.shape[::-1]), digit


def cut(opacity):
    ys, xs = np.nonzero(opacity > 0.5)
    inside = opacity[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return cv2.resize(inside, (48, 48), interpolation=cv2.INTER_AREA)


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize('angle', [0.5, 27, 90, 143.2, 180, 211, 270, 318])
def test_a_bar_points_in_the_direction_of_its_angle(angle):
    # Wider than high and heavier at its right end: has an axis and a direction.
    bar = np.zeros((20, 60), np.float32)
    bar[6:14] = 1
    bar[:, 50:] = 1
    stamp = digits.rotate_digit(bar, angle)
    moments = cv2.moments(stamp.opacity)
    axis = 0.5 * np.arctan2(2 * moments['mu11'], moments['mu20'] - moments['mu02'])
    middle = moments['m10'] / moments['m00'], moments['m01'] / moments['m00']
    x1, y1, x2, y2 = stamp.box
    # The center of mass is shifted toward the heavy end.
    lean = np.subtract(middle, ((x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2))
    seen = np.rad2deg(axis)
    if lean @ (np.cos(axis), np.sin(axis)) < 0:
        seen += 180
    assert (seen - angle + 180) % 360 - 180 == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(('angle', 'quarters'), [(90, -1), (180, 2), (270, 1)])
def test_quarter_turns_move_pixels_and_nothing_else(angle, quarters):
    scan = digits.split_scans(seed=0)['val'][0][0]
    upright = digits.outline(scan, 51)
    stamp = digits.rotate_digit(upright, angle)
    expected = np.rot90(upright, quarters)
    left, top, right, bottom = stamp.box
    assert (bottom - top, right - left) == expected.shape
    inside = stamp.opacity[top:bottom, left:right]
    np.testing.assert_allclose(inside, expected, atol=1e-3)


def test_brightness_is_that_of_the_stroke(lone_digits):
    for image, opacity, digit in lone_digits(180):
        stroke = image[opacity > 0.99]
        assert stroke.mean() / 255 == pytest.approx(digit.brightness, abs=0.01)


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


@pytest.fixture(scope='module')
def rotated(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'rotated'
    assert digits.write_dataset(folder, COUNTS, seed=0, rotate=180)
    return folder


def test_rotated_digits_are_described_as_coco_keypoints(rotated):
    categories = json.loads((rotated / 'val.json').read_text())['categories']
    for category in categories:
        assert len(category['keypoints']) == 4
        assert category['skeleton'] == [[1, 2], [2, 3], [3, 4], [4, 1]]
    for note in annotations(rotated, 'train'):
        points = np.array(note['keypoints']).reshape(4, 3)
        assert note['num_keypoints'] == 4
        assert (points[:, 2] == 2).all()
        assert ((points[:, :2] >= 0) & (points[:, :2] <= 128)).all()
        assert 40 <= note['height'] <= 72
        assert 0 <= note['brightness'] <= 1
        assert cv2.contourArea(points[:, :2].astype(np.float32)) == pytest.approx(
            note['area'], rel=0.01
        )
        # The direction in which the digit is written.
        right, down = points[1, :2] - points[0, :2]
        angle = np.rad2deg(np.arctan2(down, right)) % 360
        assert angle == pytest.approx(note['angle'], abs=0.1)


def test_rotated_digits_have_all_angles(rotated):
    angles = [note['angle'] for note in annotations(rotated, 'train')]
    assert np.histogram(angles, 4, (0, 360))[0].min() > 0.15 * len(angles)


def test_pycocotools_evaluates_rotated_digits(rotated, tmp_path):
    truth = COCO(str(rotated / 'val.json'))
    found = [dict(note, score=1.0) for note in annotations(rotated, 'val')]
    evaluation = COCOeval(truth, truth.loadRes(found), 'keypoints')
    evaluation.params.kpt_oks_sigmas = np.full(4, 0.05)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_upright_digits_are_unchanged(tmp_path):
    digits.write_dataset(tmp_path / 'digits', dict(train=3, val=2), seed=0)
    digest = hashlib.sha256()
    for name in ('dataset.json', 'train.json', 'val.json'):
        digest.update((tmp_path / 'digits' / name).read_bytes())
    assert digest.hexdigest() == UPRIGHT
    image = cv2.imread(str(tmp_path / 'digits' / 'train' / '00000.png'))
    # Versions of OpenCV round pixels differently.
    means = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(means.reshape(4, 3), QUARTERS, atol=1)


@pytest.mark.parametrize('degrees', ['-1', '181', 'nan'])
def test_angles_out_of_range_are_refused(tmp_path, degrees):
    tool = REPO / 'dev/make_digits.py'
    command = [sys.executable, tool, tmp_path / 'digits', '--rotate', degrees]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'is not between 0 and 180' in done.stderr


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
    assert digits.write_dataset(folder, dict(train=2, val=1), seed=0, rotate=10)
    assert 'angle' in annotations(folder, 'val')[0]
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
    with pytest.raises(FileExistsError, match='choose another folder'):
        digits.write_dataset(tmp_path, COUNTS, seed=0)
    assert (tmp_path / 'thesis.txt').exists()
