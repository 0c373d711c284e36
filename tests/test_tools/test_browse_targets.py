import contextlib
import io
import json
import shutil
from types import SimpleNamespace
from unittest import mock

import cv2
import pytest
from mmengine.config import Config

from helpers.scripts import run_python
from helpers.tiny import REPO, tiny_config
from helpers.tool_modules import load_tool

pytestmark = pytest.mark.slow

TOOL = REPO / 'tools/browse_targets.py'
tool = load_tool('browse_targets.py')


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


def browse(config, *options, **kwargs):
    return run_python(TOOL, config, *options, cwd=config.parent, **kwargs)


def test_visualizations_plot_and_report(config):
    printed = browse(config, '--pictures', '2', '--out-dir', 'seen')
    result = config.parent / 'seen'
    images = sorted((result / 'pictures').iterdir())
    assert len(images) == 2
    assert all(cv2.imread(str(path)).shape[1] == 2 * 384 for path in images)
    assert cv2.imread(str(result / 'summary.png')) is not None
    report = (result / 'report.txt').read_text()
    assert report in printed
    assert '4 images, 8 boxes, of which 0 are left out' in report
    assert 'on 4 images:\n    16 x 16 cells' in report


def test_faults_of_a_dataset_are_reported(config):
    folder = config.parent
    content = json.loads((folder / 'annotations.json').read_text())
    content['annotations'][0]['bbox'][2] = 0
    content['annotations'] = [
        note for note in content['annotations'] if note['category_id'] == 1
    ]
    # One validation image is a copy of a training image.
    shutil.copy(folder / 'images/000001.jpg', folder / 'images/other.jpg')
    content['images'] = [dict(content['images'][0], file_name='other.jpg')]
    content['annotations'] = [n for n in content['annotations'] if n['image_id'] == 0]
    (folder / 'val.json').write_text(json.dumps(content))
    printed = browse(
        config, '--cfg-options', 'val_dataloader.dataset.ann_file=val.json'
    )
    assert '1 boxes are left out: no width or height (other.jpg)' in printed
    assert 'val: 2 of 2 classes have no example' in printed
    assert '1 images are in both train and val' in printed
    assert 'work_dirs/targets/tiny/' in printed


def test_evaluator_with_another_file_is_reported(config):
    path = config.parent / 'other.json'
    path.write_text((config.parent / 'annotations.json').read_text() + ' ')
    found = check(config, '--cfg-options', f'test_evaluator.ann_file={path}')
    assert found.status == 0
    assert f'WARNING: test: test_evaluator reads {path}, but' in found.report


@pytest.mark.parametrize('option', ['data_root.a=1', 'train_pipeline.x=1'])
def test_invalid_options_are_named(config, option):
    printed = browse(config, '--cfg-options', option, check=False)
    assert 'Traceback' not in printed
    assert f'{config}: --cfg-options {option} cannot be merged: ' in printed


def test_too_small_input_is_reported(config):
    options = ('--cfg-options', 'model.bbox_head.stride=32')
    assert 'thinner than a cell: enlarge the network input' in browse(config, *options)


def check(config, *options):
    """Runs the command in this process; returns exit status, stderr and report."""
    out = config.parent / 'seen'
    words = [TOOL, config, '--out-dir', out, '--pictures', '1', *options]
    streams = [io.TextIOWrapper(io.BytesIO()) for _ in range(2)]
    with (
        mock.patch('sys.argv', [str(word) for word in words]),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            tool.main()
            status = 0
        except SystemExit as end:
            status = end.code
    for stream in streams:
        stream.seek(0)
    report = (out / 'report.txt').read_text()
    assert report in streams[0].read()
    text = ' '.join(report.split())
    return SimpleNamespace(status=status, stderr=streams[1].read(), report=text)


def change(config, function):
    path = config.parent / 'annotations.json'
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def unlink(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:400])


def empty(path):
    path.write_bytes(b'')


@pytest.mark.parametrize('spoil', [unlink, cut, empty])
def test_broken_image_does_not_stop_the_report(config, spoil):
    path = config.parent / 'images/000002.jpg'
    spoil(path)
    change(config, lambda content: content['annotations'][0].update(area=0))
    result = check(config)
    assert result.status == 3
    assert f'ERROR: 1 of 4 images failed in the training pipeline: {path}' in (
        result.report
    )
    words = (
        'do not exist; check data_prefix'
        if spoil is unlink
        else '1 images cannot be read'
    )
    assert words in result.report
    assert '1 boxes are left out: an area of 0 in the file' in result.report
    assert 'After the training pipeline, on 3 images' in result.report
    assert 'errors that stop training or evaluation, the first: ' in result.stderr
    assert (config.parent / 'seen/summary.png').exists()


@pytest.mark.parametrize('content', ['{', '[]', ''])
def test_broken_annotation_file_does_not_stop_the_report(config, content):
    (config.parent / 'broken.json').write_text(content)
    options = ('--cfg-options', 'train_dataloader.dataset.ann_file=broken.json')
    result = check(config, *options)
    assert result.status == 3
    assert f'{config.parent}/broken.json' in result.report
    assert 'val: ' in result.report
    assert '4 images, 8 boxes' in result.report


def test_filter_that_removes_all_images(config):
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.filter_cfg = dict(min_size=999)
    cfg.dump(config)
    result = check(config)
    assert result.status == 3
    assert 'mmdet keeps no image of the training set' in result.report


def test_classes_that_no_box_has(config):
    cfg = Config.fromfile(config)
    dataset = cfg.train_dataloader.dataset
    dataset.update(
        metainfo=dict(classes=('misspelled', 'unknown')),
        filter_cfg=dict(filter_empty_gt=True),
    )
    cfg.dump(config)
    result = check(config)
    assert result.status == 3
    assert 'without a box of any class in metainfo' in result.report


def test_unusual_class_names_are_drawn(config):
    change(config, lambda c: c['categories'][0].update(name='5$ \ud800 $x_{'))
    result = check(config)
    assert result.status == 0
    assert 'were not drawn' not in result.report


@pytest.mark.parametrize(
    'model',
    [
        dict(type='FasterRCNN', data_preprocessor=dict(type='DetDataPreprocessor')),
        dict(type='ByteTrack', detector=dict(type='YOLOX', bbox_head=dict(type='X'))),
        dict(type='CenterNet', bbox_head=dict(type='CenterNetHead')),
    ],
)
def test_files_are_checked_without_ctdet_head(config, model):
    cfg = Config.fromfile(config)
    cfg.model = model
    cfg.dump(config)
    result = check(config)
    assert result.status == 0
    assert 'targets were not checked' in result.report
    assert 'CTDetHead' in result.report
    assert '4 images, 8 boxes' in result.report


def test_semi_supervised_training(config):
    cfg = Config.fromfile(config)
    preprocessor = cfg.model.pop('data_preprocessor')
    cfg.model = dict(
        type='SemiBaseDetector',
        detector=dict(data_preprocessor=preprocessor, **cfg.model),
        data_preprocessor=dict(
            type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor
        ),
        semi_train_cfg=dict(),
    )
    labeled = cfg.train_dataloader.dataset
    branches = ['sup', 'unsup_student']
    pack = dict(type='PackDetInputs')
    labeled.pipeline[-1] = dict(type='MultiBranch', branch_field=branches, sup=pack)
    unlabeled = labeled.copy()
    unlabeled.pipeline = [*labeled.pipeline[:-1]]
    unlabeled.pipeline += [
        dict(type='MultiBranch', branch_field=branches, unsup_student=pack)
    ]
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[labeled, unlabeled]
    )
    cfg.dump(config)
    result = check(config)
    assert result.status == 0, result.report
    assert 'After the training pipeline, on 4 images' in result.report


def test_batch_augments_that_resize(config):
    augment = dict(
        type='BatchSyncRandomResize',
        random_size_range=(64, 160),
        size_divisor=32,
        interval=1,
    )
    cfg = Config.fromfile(config)
    cfg.model.data_preprocessor.batch_augments = [augment]
    cfg.dump(config)
    result = check(config)
    assert result.status == 0
    assert 'on 4 images' in result.report


def test_gray_images(config):
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.pipeline[0].color_type = 'grayscale'
    cfg.model.data_preprocessor.update(mean=[120.0], std=[58.0], bgr_to_rgb=False)
    cfg.dump(config)
    result = check(config)
    assert result.status == 0
    assert 'No findings' in result.report


def test_types_by_import_path(config):
    cfg = Config.fromfile(config)
    cfg.model.bbox_head.type = 'mmdet_centernet.models.CTDetHead'
    cfg.train_dataloader.dataset.type = 'mmdet.datasets.CocoDataset'
    cfg.dump(config)
    assert 'on 4 images' in check(config).report


def test_pure_python_configs(config):
    folder = config.parent
    path = folder / 'pure.py'
    path.write_text(PURE.format(folder=folder))
    result = check(path)
    assert result.status == 0
    assert 'on 4 images' in result.report


PURE = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs
from mmdet.models import CenterNet, DetDataPreprocessor
from mmdet_centernet.models import CTDetHead

train_dataloader = dict(
    dataset=dict(
        type=CocoDataset,
        metainfo=dict(classes=('square', 'disc')),
        data_root='{folder}',
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadAnnotations, with_bbox=True),
            dict(type=PackDetInputs),
        ],
    )
)
model = dict(
    type=CenterNet,
    data_preprocessor=dict(type=DetDataPreprocessor, pad_size_divisor=32),
    bbox_head=dict(type=CTDetHead, num_classes=2, in_channels=8, feat_channels=8),
)
"""


def test_class_names_follow_the_label_order(config):
    """The order of the file counts, not that of metainfo."""
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.metainfo.classes = ('disc', 'square')
    data, _ = tool.training_data(cfg)
    assert data.classes == ('square', 'disc')
    truth = data.dataset[0]['data_samples'].gt_instances.labels.tolist()
    assert [data.classes[label] for label in truth] == ['square', 'disc']


def test_training_runs_after_following_the_advice(config):
    def double(content):
        for note in content['annotations']:
            note['category_id'] = 1
        content['categories'] = [dict(id=i, name='cells') for i in (0, 1)]

    def follow(content):
        del content['categories'][0]

    cfg = Config.fromfile(config)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo.classes = ('cells',)
    cfg.model.bbox_head.num_classes = 1
    cfg.dump(config)
    change(config, double)
    result = check(config)
    assert result.status == 3
    assert '0 boxes have id 0, 8 boxes have id 1' in result.report
    assert '8 boxes have a label after the training pipeline that the head lacks' in (
        result.report
    )
    assert 'entry with the id 0 from "categories"' in result.report
    change(config, follow)
    result = check(config)
    assert result.status == 0
    assert 'No findings' in result.report
    run_python(REPO / 'tools/train.py', config, cwd=config.parent)
