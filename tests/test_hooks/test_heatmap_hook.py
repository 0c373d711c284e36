import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.runner import Runner
from torch import nn

from helpers.recorder import ImageRecorder
from helpers.tiny import load_config, shrink
from mmdet_centernet.hooks import HeatmapVisualizationHook
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.models.find_detectors import find_detectors
from mmdet_centernet.visualization.image_space import warp_heatmap


def recorder_config(folder, **hook):
    cfg = shrink(load_config('ctdet_r18-fpn_1xb8-24e_bccd'), folder)
    cfg.custom_hooks = [dict(type='HeatmapVisualizationHook', **hook)]
    cfg.default_hooks.checkpoint = None  # it would keep the best checkpoint
    cfg.visualizer.name = f'visualizer of {folder}'  # names are unique in a process
    cfg.visualizer.vis_backends.append(dict(type='ImageRecorder', save_dir=str(folder)))
    ImageRecorder.images.clear()
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('interval', [1, 3])
def test_draws_every_nth_image_of_training_validation_and_test(tmp_path, interval):
    cfg = recorder_config(tmp_path, interval=interval, train_interval=interval)
    runner = Runner.from_cfg(cfg)
    runner.train()
    runner.test()
    drawn = range(0, 4, interval)  # of 4 images, in batches of 2
    names = [name for name, _, _ in ImageRecorder.images]
    for mode in ('val', 'test'):
        assert [name for name in names if name.startswith(mode)] == [
            f'{mode}_{i:06}' for i in drawn
        ]
    steps = [step for name, _, step in ImageRecorder.images if name.startswith('train')]
    assert steps == [i // 2 for i in drawn]
    assert all(image.shape[1] == 2 * 384 for _, image, _ in ImageRecorder.images)
    # The other backend got the same images.
    (folder,) = {path.parent for path in tmp_path.rglob('vis_image/*.png')}
    assert len(list(folder.iterdir())) == len(ImageRecorder.images)
    (detector,) = find_detectors(runner.model)
    assert not detector._forward_pre_hooks
    assert not detector.bbox_head._forward_hooks


@pytest.mark.slow
def test_test_time_augmentation_is_drawn_on_the_original_image(tmp_path):
    cfg = recorder_config(tmp_path, interval=1)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model
    Runner.from_cfg(cfg).test()
    assert len(ImageRecorder.images) == 4


@pytest.mark.slow
def test_failing_backend_does_not_stop_the_run(tmp_path, monkeypatch, logged):
    monkeypatch.setattr(ImageRecorder, 'add_image', lambda *args, **kwargs: 1 / 0)
    cfg = recorder_config(tmp_path, interval=1, train_interval=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    (text,) = logged
    assert text.endswith('ZeroDivisionError: division by zero')


@pytest.mark.slow
def test_gray_images_are_drawn(tmp_path, logged):
    cfg = recorder_config(tmp_path, interval=1, train_interval=1)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline[0].color_type = 'grayscale'
    cfg.model.backbone.in_channels = 1
    cfg.model.data_preprocessor.update(mean=[120.0], std=[58.0], bgr_to_rgb=False)
    Runner.from_cfg(cfg).train()
    assert logged == []
    assert len(ImageRecorder.images) == 8


@pytest.mark.slow
def test_images_with_the_same_name_in_two_folders(tmp_path):
    cfg = recorder_config(tmp_path, interval=1)
    path = tmp_path / 'annotations.json'
    content = json.loads(path.read_text())
    for folder, image in zip('aabb', content['images'], strict=True):
        (tmp_path / 'images' / folder).mkdir(exist_ok=True)
        name = f'{folder}/{int(image["file_name"][:6]) % 2}.jpg'
        (tmp_path / 'images' / image['file_name']).rename(tmp_path / 'images' / name)
        image['file_name'] = name
    path.write_text(json.dumps(content))
    Runner.from_cfg(cfg).val()
    names = [name for name, _, _ in ImageRecorder.images]
    assert names == ['val_0', 'val_1', 'val_b_0', 'val_b_1']
    assert len(list(tmp_path.rglob('vis_image/*.png'))) == 4


@pytest.mark.slow
def test_class_names_are_in_label_order(tmp_path, monkeypatch):
    """The order of the file counts, not that of metainfo."""
    cfg = recorder_config(tmp_path, interval=1)
    names = tuple(cfg.val_dataloader.dataset.metainfo.classes)
    cfg.val_dataloader.dataset.metainfo.classes = names[::-1]
    drawn = []
    monkeypatch.setattr(
        'mmdet_centernet.hooks.heatmap_hook.draw_heatmaps',
        lambda visualizer, figure, classes: (
            drawn.append(classes) or np.zeros((9, 9, 3), np.uint8)
        ),
    )
    Runner.from_cfg(cfg).val()
    assert set(drawn) == {names}


@pytest.mark.slow
def test_default_hooks_of_the_docs_keep_inherited_hooks(tmp_path):
    cfg = recorder_config(tmp_path)
    cfg.custom_hooks = [dict(type='NumClassCheckHook')]
    default_hooks = dict(heatmaps=dict(type='HeatmapVisualizationHook', interval=50))
    cfg.merge_from_dict(dict(default_hooks=default_hooks))
    hooks = [type(hook).__name__ for hook in Runner.from_cfg(cfg).hooks]
    assert {'NumClassCheckHook', 'HeatmapVisualizationHook', 'LoggerHook'} <= {*hooks}


def semi_supervised(cfg):
    """Config of a teacher and a student; validation uses the teacher."""
    preprocessor = cfg.model.pop('data_preprocessor')
    return dict(
        type='SemiBaseDetector',
        detector=dict(data_preprocessor=preprocessor, **cfg.model),
        data_preprocessor=dict(
            type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor
        ),
        semi_train_cfg=dict(freeze_teacher=True),
        semi_test_cfg=dict(predict_on='teacher'),
    )


@pytest.mark.slow
def test_teacher_is_drawn_in_semi_supervised_training(tmp_path, logged):
    cfg = recorder_config(tmp_path, interval=1)
    cfg.model = semi_supervised(cfg)
    Runner.from_cfg(cfg).test()
    assert logged == []
    assert len(ImageRecorder.images) == 4


def figure_of_training(monkeypatch, cfg):
    """Runs a training; returns the first figure of the hook, and the runner."""
    figures = []
    monkeypatch.setattr(
        HeatmapVisualizationHook, '_show', lambda *args: figures.append(args[3])
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return figures[0], runner


@pytest.mark.slow
def test_training_draws_the_input_and_target_of_the_loss(tmp_path, monkeypatch):
    cfg = recorder_config(tmp_path, train_interval=1)
    cfg.train_dataloader.batch_size = 1
    cfg.train_dataloader.sampler.shuffle = False
    cfg.train_dataloader.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackDetInputs'),
    ]
    losses = []
    monkeypatch.setattr(
        CTDetHead,
        'loss_by_feat',
        remember(CTDetHead.loss_by_feat, losses),
    )
    figure, runner = figure_of_training(monkeypatch, cfg)
    on_disk = cv2.imread(str(tmp_path / 'images/000000.jpg'))
    np.testing.assert_array_equal(figure.image, on_disk[:, ::-1, ::-1])
    _, truth, _ = losses[0]
    torch.testing.assert_close(figure.ground_truth.bboxes, truth[0].bboxes)
    head = find_detectors(runner.model)[0].bbox_head
    maps, _ = head.get_targets(
        [truth[0].bboxes], [truth[0].labels], (1, 3, 16, 16), (64, 64)
    )
    target = warp_heatmap(
        maps['center_heatmap_target'][0].amax(0).numpy(), dict(ori_shape=(64, 64)), 4
    )
    np.testing.assert_array_equal(figure.target, target)
    logits, _, _ = losses[0]
    assert figure.heatmap.max() == pytest.approx(float(logits.sigmoid().max()), rel=0.2)


def remember(method, calls):
    """Wraps a method to keep logits, ground truth and metas of each call."""

    def called(self, logits, wh, offset, truth, metas, *ignored, **others):
        calls.append((logits[-1].detach().clone(), truth, metas))
        return method(self, logits, wh, offset, truth, metas, *ignored, **others)

    return called


class Watched(HeatmapVisualizationHook):
    """Records images and heatmaps instead of drawing them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drawn = []

    def _figure(self, mode, index, sample):
        return float(self._maps['heatmap'][index])

    def _show(self, runner, mode, figure, path):
        self.drawn.append((mode, path, figure))


def iterate(hook, mode, batch):
    """Runs one iteration in which the heatmap of an image is its number."""
    samples = [DetDataSample(metainfo=dict(img_path=str(i))) for i in batch]
    head = SimpleNamespace(name_maps=lambda outs: dict(heatmap=outs[0][-1]))
    detector = SimpleNamespace(bbox_head=head)
    hook._keep_batch(detector, (), dict(inputs=None, data_samples=samples))
    for number in (torch.tensor(batch), torch.zeros(len(batch))):  # two views
        hook._keep_maps(None, None, ([number], [number], [number]))
    outputs = {} if mode == 'train' else samples
    getattr(hook, f'after_{mode}_iter')(None, 0, None, outputs)


@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
def test_each_image_gets_its_own_heatmap(mode):
    hook = Watched(interval=2, train_interval=2)
    for batch in ([0, 1, 2], [3, 4]):
        iterate(hook, mode, batch)
    assert hook.drawn == [(mode, str(i), float(i)) for i in (0, 2, 4)]


def test_counts_restart_in_validation_but_not_in_training():
    hook = Watched(interval=3, train_interval=3)
    for _ in range(2):
        iterate(hook, 'train', [0, 1])
        hook.before_val(None)
        iterate(hook, 'val', [5, 6])
    assert [drawn[:2] for drawn in hook.drawn] == [
        ('train', '0'),
        ('val', '5'),
        ('train', '1'),
        ('val', '5'),
    ]


@pytest.fixture
def logged(monkeypatch):
    """Messages that the hook logs."""
    texts = []
    monkeypatch.setattr(
        'mmdet_centernet.hooks.heatmap_hook.print_log',
        lambda text, logger, level: texts.append(text),
    )
    return texts


def test_model_without_the_head_does_not_stop_the_run(logged):
    hook = HeatmapVisualizationHook(interval=1)
    hook.before_run(SimpleNamespace(model=nn.Linear(1, 1)))
    iterate_plain(hook, 'val')
    hook.after_run(None)
    (text,) = logged
    assert 'draws nothing more in this run: Linear has no bbox_head of type' in text


def iterate_plain(hook, mode):
    """Runs one iteration with the outputs of a CenterNet head."""
    maps = [torch.zeros(1, channels, 4, 4) for channels in (1, 2, 2)]
    hook._keep_maps(None, None, tuple([one] for one in maps))
    sample = DetDataSample(metainfo=dict(img_path='gone.jpg'))
    runner = SimpleNamespace(iter=0)
    getattr(hook, f'after_{mode}_iter')(runner, 0, None, [sample])


@pytest.mark.parametrize('mode', ['val', 'test'])
def test_drawing_errors_are_logged_once(logged, mode):
    hook = HeatmapVisualizationHook(interval=1)
    for _ in range(3):  # the detector is unknown, the image is gone
        iterate_plain(hook, mode)
    assert len(logged) == 1


def test_other_outputs_do_not_stop_the_run(logged):
    hook = HeatmapVisualizationHook(interval=1)
    for _ in range(2):
        hook._keep_maps(None, None, (torch.zeros(1), [], 3, 4))
    assert len(logged) == 1


@pytest.mark.parametrize('name', ['interval', 'train_interval'])
def test_intervals_have_to_be_positive(name):
    with pytest.raises(ValueError, match=f'^{name} is 0'):
        HeatmapVisualizationHook(**{name: 0})
