"""new-config in each format, from the data to predictions."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from onnxruntime import InferenceSession

from helpers.images import IMAGE_SIZE, draw_images, write_coco, write_voc
from helpers.scripts import run_python
from helpers.tiny import REPO
from helpers.tool_modules import load_tool

TOOLS = REPO / 'tools'
CLASSES = ('square', 'disc')


def write_yolo(folder):
    """The same images with YOLO labels, in subfolders of `images/`."""
    write_coco(folder, draw_images(CLASSES), CLASSES)
    for number, drawn in enumerate(draw_images(CLASSES)):
        inner = f'day{number % 2}'
        (folder / 'labels' / inner).mkdir(parents=True, exist_ok=True)
        (folder / 'images' / inner).mkdir(exist_ok=True)
        name = f'{number:06}'
        image = folder / f'images/{name}.jpg'
        image.rename(folder / f'images/{inner}/{name}.jpg')
        lines = [
            f'{CLASSES.index(thing.name)} '
            f'{(x1 + x2) / 2 / IMAGE_SIZE} {(y1 + y2) / 2 / IMAGE_SIZE} '
            f'{(x2 - x1) / IMAGE_SIZE} {(y2 - y1) / IMAGE_SIZE}'
            for thing in drawn.objects
            for x1, y1, x2, y2 in [thing.box]
        ]
        (folder / f'labels/{inner}/{name}.txt').write_text('\n'.join(lines))
    (folder / 'annotations.json').unlink()
    (folder / 'classes.txt').write_text('\n'.join(CLASSES))


WRITERS = dict(
    COCO=lambda folder: write_coco(folder, draw_images(CLASSES), CLASSES),
    VOC=lambda folder: write_voc(folder, draw_images(CLASSES)),
    YOLO=write_yolo,
)


@pytest.fixture
def new_config(monkeypatch, capsys):
    """Runs the script in this process; returns what it printed."""
    tool = load_tool('new_config.py')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['new_config.py', *map(str, arguments)])
        tool.main()
        return capsys.readouterr().out

    return run


@pytest.mark.slow
@pytest.mark.parametrize('kind', WRITERS)
def test_from_a_folder_to_predictions(kind, tmp_path):
    data = tmp_path / 'data'
    WRITERS[kind](data)
    # As a person calls it, from another folder than the config's and the data's.
    away = tmp_path / 'away'
    away.mkdir()
    config = tmp_path / 'configs/mine.py'
    options = ('--out', config, '--epochs', 1, '--batch-size', 2)
    printed = run_python(TOOLS / 'new_config.py', '../data', *options, cwd=away)
    assert f'{kind} in ' in printed
    trained = run_python(TOOLS / 'train.py', config, cwd=away)
    assert 'current batch size is 2' in trained
    (best,) = (away / 'work_dirs/mine').glob('best_coco_bbox_mAP_epoch_1.pth')
    tested = run_python(TOOLS / 'test.py', config, best, '--tta', cwd=away)
    assert 'coco/bbox_mAP: ' in tested
    export = (TOOLS / 'export_onnx.py', config, best, 'mine.onnx', '--normalize')
    run_python(*export, cwd=away)
    images = next(data.rglob('*.jpg')).parent
    predict = (TOOLS / 'predict_onnx.py', 'mine.onnx', images, '--out-dir', 'predicted')
    run_python(*predict, cwd=away)
    predictions = json.loads((away / 'predicted/predictions.json').read_text())
    names = [category['name'] for category in predictions['categories']]
    assert names == list(Config.fromfile(config).classes)
    assert sorted(names) == sorted(CLASSES)
    assert len(predictions['images']) == len(list(images.glob('*.jpg')))


def write_corners(folder):
    """The images with two corners of each object but one as keypoints."""
    WRITERS['COCO'](folder)
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for category in content['categories']:
        category.update(keypoints=['left', 'right'], skeleton=[[1, 2]])
    for note in content['annotations'][1:]:
        x, y, width, height = note['bbox']
        note['keypoints'] = [x, y, 2, x + width, y + height, 2]
    path.write_text(json.dumps(content))


@pytest.mark.slow
def test_from_keypoints_to_an_exported_network(tmp_path):
    write_corners(tmp_path / 'data')
    config = tmp_path / 'mine.py'
    options = ('--task', 'pose', '--epochs', 1, '--batch-size', 2, '--out', config)
    printed = run_python(TOOLS / 'new_config.py', 'data', *options, cwd=tmp_path)
    assert 'left with right' in printed
    trained = run_python(TOOLS / 'train.py', config, cwd=tmp_path)
    assert 'loss_joint_heatmap: ' in trained
    (best,) = (tmp_path / 'work_dirs/mine').glob('best_coco_keypoints_mAP_epoch_1.pth')
    options = ('--tta', '--show-dir', 'shown')
    tested = run_python(TOOLS / 'test.py', config, best, *options, cwd=tmp_path)
    assert 'coco/keypoints_mAP: ' in tested
    assert 'coco/bbox_mAP: ' in tested
    assert list(tmp_path.glob('work_dirs/mine/*/shown/*.jpg'))
    export = (TOOLS / 'export_onnx.py', config, best, 'mine.onnx', '--normalize')
    run_python(*export, cwd=tmp_path)
    names = [one.name for one in InferenceSession(tmp_path / 'mine.onnx').get_outputs()]
    assert 'keypoints' in names


def test_keypoints_are_hinted_at_and_asked_for(new_config, tmp_path):
    folder = tmp_path / 'data'
    write_corners(folder)
    printed = new_config(folder, '--out', tmp_path / 'boxes.py')
    assert 'hint        categories name keypoints: --task pose trains' in printed
    assert 'properties' not in Config.fromfile(tmp_path / 'boxes.py')
    out = tmp_path / 'points.py'
    printed = new_config(folder, '--out', out, '--task', 'pose')
    assert '\nhint' not in printed
    assert '1 have only a box' in printed
    assert 'no field "keypoints" in the annotations 1' in printed
    assert Config.fromfile(out).properties.keypoints.flip_pairs == [(0, 1)]


@pytest.mark.parametrize('kind', WRITERS)
def test_without_keypoints_there_is_no_pose(kind, new_config, tmp_path):
    WRITERS[kind](tmp_path / 'data')
    options = ('--out', tmp_path / 'mine.py', '--task', 'pose')
    with pytest.raises(
        SystemExit, match='names no keypoints: --task pose needs a COCO'
    ):
        new_config(tmp_path / 'data', *options)
    assert not (tmp_path / 'mine.py').exists()
    assert '\nhint' not in new_config(tmp_path / 'data', *options[:2])


def test_keypoints_of_large_images(new_config, tmp_path):
    folder = tmp_path / 'data'
    write_corners(folder)
    enlarge(folder, 4)
    options = ('--task', 'pose', '--image-scale', 32, 32, '--batch-size', 2)
    printed = new_config(folder, '--out', tmp_path / 'a.py', *options)
    assert 'decoding    images have 64 times the pixels of the input' in printed
    new_config(folder, '--out', tmp_path / 'b.py', *options, '--shrink')
    dataset = Config.fromfile(tmp_path / 'b.py').train_dataloader.dataset
    content = json.loads(Path(dataset.data_root, dataset.ann_file).read_text())
    for note in content['annotations']:
        x, y, width, height = note['bbox']
        points = note.get('keypoints', [x, y, 2, x + width, y + height, 2])
        assert points == pytest.approx([x, y, 2, x + width, y + height, 2])


def test_choices_are_printed_with_their_numbers(new_config, tmp_path):
    write_coco(tmp_path / 'data', draw_images(CLASSES), CLASSES)
    out = tmp_path / 'mine.py'
    printed = new_config(tmp_path / 'data', '--out', out, '--seed', 3)
    assert 'train: 3 images, 6 boxes' in printed
    assert 'split by chance (--seed 3)' in printed
    assert 'input       64 x 64 for images of 64x64' in printed
    assert '0.0% of 6 objects have fewer than 2 cells (8 pixels)' in printed
    assert '300 of 1 steps, 300 steps' in printed
    assert 'square (3), disc (3)' in printed
    assert f'{out} is written' in printed
    content = json.loads((tmp_path / 'data/new_config/train.json').read_text())
    assert len(content['images']) == 3
    # What was written is no second format, nor the data of another call.
    again = new_config(tmp_path / 'data', '--out', tmp_path / 'b.py', '--seed', 3)
    assert again == printed.replace('mine.py', 'b.py')
    assert (tmp_path / 'b.py').read_text() == out.read_text()


def test_classes_with_small_objects_are_named(new_config, tmp_path):
    folder = tmp_path / 'data'
    write_coco(folder, draw_images(CLASSES), CLASSES)
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    discs = [note for note in content['annotations'] if note['category_id'] == 3]
    for note in discs[:3]:
        note['bbox'][2] = 7
    path.write_text(json.dumps(content))
    options = ('--out', tmp_path / 'mine.py', '--image-scale', 64, 64)
    printed = new_config(folder, *options)
    assert 'have fewer than 2 cells' in printed
    (line,) = (text for text in printed.splitlines() if 'by class' in text)
    assert re.fullmatch(r' +by class: disc \d+\.\d% of [34]', line)


def test_options_override_choices(new_config, tmp_path):
    write_coco(tmp_path / 'data', draw_images(CLASSES), CLASSES)
    options = '--image-scale 96 80 --epochs 7 --batch-size 3 --backbone resnet50'
    out = tmp_path / 'mine.py'
    printed = new_config(
        tmp_path / 'data', '--out', out, *options.split(), '--pretrained'
    )
    assert printed.count('as given') == 3
    cfg = Config.fromfile(out)
    assert cfg.image_scale == (96, 80)
    assert cfg.train_pipeline[3].crop_size == (96, 96)
    assert cfg.max_epochs == 7
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.model.backbone.depth == 50
    assert cfg.model.backbone.init_cfg.checkpoint == 'torchvision://resnet50'


def test_large_images_are_reported_and_shrunk(new_config, tmp_path):
    write_coco(tmp_path / 'data', draw_images(CLASSES), CLASSES)
    folder = tmp_path / 'data'
    options = ('--image-scale', 32, 32, '--batch-size', 2)
    assert 'decoding' not in new_config(folder, '--out', tmp_path / 'a.py', *options)
    enlarge(folder, 4)
    printed = new_config(folder, '--out', tmp_path / 'b.py', *options)
    assert 'decoding    images have 64 times the pixels of the input' in printed
    new_config(folder, '--out', tmp_path / 'c.py', *options, '--shrink')
    dataset = Config.fromfile(tmp_path / 'c.py').train_dataloader.dataset
    images = Path(dataset.data_root, dataset.data_prefix.img)
    content = json.loads(Path(dataset.data_root, dataset.ann_file).read_text())
    assert {image['width'] for image in content['images']} == {42}
    assert all((images / image['file_name']).is_file() for image in content['images'])


def enlarge(folder, times):
    """Enlarges images and boxes."""
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for image in content['images']:
        file = str(folder / 'images' / image['file_name'])
        cv2.imwrite(file, cv2.resize(cv2.imread(file), None, fx=times, fy=times))
        image.update(width=image['width'] * times, height=image['height'] * times)
    for note in content['annotations']:
        note['bbox'] = [times * value for value in note['bbox']]
        if 'keypoints' in note:
            points = np.reshape(note['keypoints'], (-1, 3)) * (times, times, 1)
            note['keypoints'] = points.ravel().tolist()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--epochs', '0'), 'epochs is 0; it has to be a whole number above 0'),
        (('--image-scale', '16', '64'), 'both sides must have at least 32 pixels'),
        (('--backbone', 'swin'), 'edit model.backbone'),
        (('--out', 'mine.txt'), 'end in .py'),
    ],
)
def test_invalid_options(new_config, tmp_path, options, message):
    write_coco(tmp_path / 'data', draw_images(CLASSES), CLASSES)
    with pytest.raises(SystemExit, match=message):
        new_config(tmp_path / 'data', '--out', tmp_path / 'mine.py', *options)
    assert not (tmp_path / 'mine.py').exists()


def test_an_edited_config_is_not_overwritten(new_config, tmp_path):
    (tmp_path / 'mine.py').write_text('mine')
    with pytest.raises(SystemExit, match='delete it, or choose another'):
        new_config(tmp_path, '--out', tmp_path / 'mine.py')
    assert (tmp_path / 'mine.py').read_text() == 'mine'


def test_nothing_is_written_where_something_would_spoil_the_training(
    new_config, tmp_path
):
    write_coco(tmp_path / 'data', draw_images(CLASSES), CLASSES)
    (tmp_path / 'data/images/000001.jpg').unlink()
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(SystemExit, match='1 of 3 images are missing'):
        new_config(tmp_path / 'data', '--out', tmp_path / 'mine.py')
    assert sorted(tmp_path.rglob('*')) == before


def test_an_image_in_two_splits_is_named(new_config, tmp_path):
    data = tmp_path / 'data'
    write_coco(data, draw_images(CLASSES), CLASSES)
    shutil.copy(data / 'annotations.json', data / 'train.json')
    (data / 'annotations.json').rename(data / 'val.json')
    printed = new_config(data, '--out', tmp_path / 'mine.py')
    assert 'WARNING     4 images are in both train and val' in printed
