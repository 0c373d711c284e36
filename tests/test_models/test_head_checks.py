"""A head that does not fit the classes of the training set is refused at once."""

import pytest
from mmdet.datasets import CocoDataset
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from helpers.tiny import load_config, shrink
from mmdet_centernet.models.head_checks import check_classes, training_classes


@pytest.fixture(autouse=True)
def training_ends():
    """A training that dies leaves its stage in the hub."""
    yield
    MessageHub.get_current_instance().pop_info('loop_stage', None)


def test_fitting_classes_pass():
    check_classes(('RBC', 'WBC'), 2)
    check_classes(['RBC'], 1)
    check_classes(None, 80)


@pytest.mark.parametrize('num_classes', [1, 3])
def test_one_text_is_not_a_list_of_classes(num_classes):
    with pytest.raises(ValueError, match=r"write classes=\('RBC',\) with a comma"):
        check_classes('RBC', num_classes)


def test_another_number_names_both_and_what_to_set():
    with pytest.raises(ValueError, match=r'num_classes=5.* 3 classes \(a, b, c\)'):
        check_classes(('a', 'b', 'c'), 5)
    with pytest.raises(ValueError, match=r'bbox_head.num_classes=80'):
        check_classes(CocoDataset.METAINFO['classes'], 3)


def runner_without_hooks(folder, num_classes, classes=None):
    """A training whose config has replaced the hooks of its base."""
    cfg = shrink(load_config('ctdet_r18-fpn_1xb8-24e_bccd'), folder)
    cfg.custom_hooks = [dict(type='HeatmapVisualizationHook')]
    cfg.model.bbox_head.num_classes = num_classes
    if classes is not None:
        cfg.train_dataloader.dataset.metainfo.classes = classes
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize(
    ('num_classes', 'classes', 'message'),
    [
        (5, None, 'the head has num_classes=5, the training set has 3 classes'),
        (2, None, 'set model.bbox_head.num_classes=3'),
        (1, 'RBC', 'with a comma'),
        (3, 'RBC', 'with a comma'),
    ],
)
def test_training_stops_before_its_first_step(tmp_path, num_classes, classes, message):
    runner = runner_without_hooks(tmp_path, num_classes, classes)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


def test_outside_a_training_nothing_is_asked(tmp_path):
    runner = runner_without_hooks(tmp_path, 3)
    runner.message_hub.update_info('dataset_meta', dict(classes=('a',)))
    assert training_classes() is None
