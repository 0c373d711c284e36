"""Visualization of properties and of the heatmaps of further point sets."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from helpers.heads import make_head
from helpers.recorder import ImageRecorder
from helpers.tiny import load_config, shrink
from mmdet_centernet.codecs import KeypointsProperty, ScalarProperty
from mmdet_centernet.visualization.draw_heatmaps import draw_heatmaps
from mmdet_centernet.visualization.heatmap_figure import (
    HeatmapFigure,
    figure_of_file,
    figure_of_input,
)
from mmdet_centernet.visualization.primitives import (
    CAPTION_HEIGHT,
    DETECTION_COLOR,
    GROUND_TRUTH_COLOR,
)

JOINTS = dict(joints=dict(type='KeypointsProperty', num_points=2))
POINTS = dict(joint=dict(type='JointPoints', keypoints='joints'))
NAME = 'ctpose_r18-half-fpn_1xb8-4e_digits-corners'


def objects(box, joints, **fields):
    return InstanceData(
        bboxes=torch.tensor([box]),
        labels=torch.zeros(1, dtype=torch.long),
        keypoints=torch.tensor([joints]),
        **{key: torch.tensor(values) for key, values in fields.items()},
    )


def bump(shape, cell):
    heat = np.zeros(shape, np.float32)
    heat[cell[1] - 2 : cell[1] + 3, cell[0] - 2 : cell[0] + 3] = 1
    return heat


@pytest.fixture
def visualizer():
    return DetLocalVisualizer()


SHAPE = (128, 192)
TRUE_JOINTS = [[30.0, 60], [100, 100]]
FOUND_JOINTS = [[150.0, 30], [60, 40]]


def make_figure(**changes):
    cold = np.zeros(SHAPE, np.float32)
    parts = dict(
        image=np.zeros((*SHAPE, 3), np.uint8),
        heatmap=cold,
        detections=objects(
            [20.0, 10, 170, 120], FOUND_JOINTS, scores=[0.9], ages=[5.0]
        ),
        target=cold,
        ground_truth=objects([20.0, 10, 170, 120], TRUE_JOINTS, ages=[4.0]),
        properties=dict(joints=KeypointsProperty(num_points=2)),
        point_heatmaps=dict(joint=bump(SHAPE, (150, 30))),
        point_targets=dict(joint=bump(SHAPE, (30, 60))),
    )
    return HeatmapFigure(**{**parts, **changes})


def panels(image, rows=3):
    """Splits a visualization into panels without captions."""
    halves = [np.hsplit(row, 2) for row in np.vsplit(image, rows)]
    return [[panel[CAPTION_HEIGHT:].astype(int) for panel in row] for row in halves]


def ink(panel, x, y, color):
    near = panel[y - 3 : y + 4, x - 3 : x + 4]
    return bool((np.abs(near - color).max(axis=2) < 80).any())


def test_properties_are_drawn_in_both_columns(visualizer):
    (truth, found), *_ = panels(draw_heatmaps(visualizer, make_figure()))
    for x, y in np.array(TRUE_JOINTS, int) * 3:
        assert ink(truth, x, y, GROUND_TRUTH_COLOR)
        assert not ink(found, x, y, DETECTION_COLOR)
    for x, y in np.array(FOUND_JOINTS, int) * 3:
        assert ink(found, x, y, DETECTION_COLOR)
        assert not ink(truth, x, y, GROUND_TRUTH_COLOR)


def test_skeleton_comes_from_the_visualizer(visualizer):
    middle = np.mean(TRUE_JOINTS, axis=0).astype(int) * 3
    (truth, _), *_ = panels(draw_heatmaps(visualizer, make_figure()))
    assert not ink(truth, *middle, GROUND_TRUTH_COLOR)
    visualizer.dataset_meta = dict(skeleton=[(0, 1)])
    (truth, _), *_ = panels(draw_heatmaps(visualizer, make_figure()))
    assert ink(truth, *middle, GROUND_TRUTH_COLOR)


def test_heatmaps_of_joints_are_in_a_third_row(visualizer):
    image = draw_heatmaps(visualizer, make_figure())
    assert image.shape == (3 * (CAPTION_HEIGHT + 3 * 128), 2 * 3 * 192, 3)
    _, centers, joints = panels(image)
    for row, is_hot in ((centers, False), (joints, True)):
        for panel, (x, y) in zip(row, ((30, 60), (150, 30)), strict=True):
            assert (np.ptp(panel[3 * y + 1, 3 * x + 1]) > 50) == is_hot


def test_without_ground_truth_or_with_boxes_only(visualizer):
    one = draw_heatmaps(
        visualizer, make_figure(ground_truth=None, target=None, point_targets={})
    )
    assert one.shape == (3 * (CAPTION_HEIGHT + 3 * 128), 3 * 192, 3)
    boxes = InstanceData(bboxes=torch.ones(1, 4), labels=torch.zeros(1).long())
    both = draw_heatmaps(visualizer, make_figure(ground_truth=boxes, point_targets={}))
    assert both.shape[1] == 2 * one.shape[1]
    nobody = objects([0.0, 0, 1, 1], TRUE_JOINTS, scores=[0.5])[:0]
    assert (
        draw_heatmaps(
            visualizer, make_figure(detections=nobody, ground_truth=nobody)
        ).shape
        == both.shape
    )


def test_scalars_are_written_as_text(visualizer):
    ages = dict(age=ScalarProperty('ages'))
    with_ages, without = (
        draw_heatmaps(visualizer, make_figure(properties=properties))
        for properties in (ages, {})
    )
    assert (with_ages != without).any()


def head_of_joints():
    return make_head(num_classes=1, properties=JOINTS, point_sets=POINTS)


def maps_of(head):
    feats = [torch.zeros(1, 8, 32, 32)]
    with torch.no_grad():
        maps = head.name_maps(head(feats))
    maps['joint_heatmap'][0, :, 20, 10] = 9.0
    return maps


def middle_of_heat(heat):
    ys, xs = np.indices(heat.shape) + 0.5
    return np.array([(heat * xs).sum(), (heat * ys).sum()]) / heat.sum()


@pytest.mark.parametrize(
    'geometry',
    [
        {},
        dict(scale_factor=(0.5, 0.8)),
        dict(homography_matrix=np.array([[0.7, 0, 9], [0, 0.7, 4], [0, 0, 1.0]])),
    ],
)
def test_figure_of_file(tmp_path, geometry):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), np.zeros((120, 160, 3), np.uint8))
    meta = dict(img_path=str(path), ori_shape=(120, 160), **geometry)
    sample = DetDataSample(metainfo=meta)
    sample.gt_instances = objects(
        [40.0, 20, 120, 100], [[60.0, 50], [float('nan')] * 2]
    )
    sample.pred_instances = objects([40.0, 20, 120, 100], TRUE_JOINTS, scores=[0.9])
    head = head_of_joints()
    figure = figure_of_file(head, sample, maps_of(head))
    assert figure.properties is head.properties
    # A target peak is the middle of a cell, at most half a cell away.
    target = figure.point_targets['joint']
    np.testing.assert_allclose(middle_of_heat(target), (60, 50), atol=5)
    assert figure.point_heatmaps['joint'].max() > 0.7  # between cells it is less


def test_figure_of_input():
    head = head_of_joints()
    preprocessor = DetDataPreprocessor()
    sample = DetDataSample(metainfo=dict(ori_shape=(900, 900), scale_factor=(0.1, 0.1)))
    sample.gt_instances = objects([20.0, 20, 100, 100], [[60.0, 50], [90.0, 30]])
    pixels = torch.zeros(3, 128, 128)
    figure = figure_of_input(head, pixels, sample, maps_of(head), preprocessor)
    target = figure.point_targets['joint']
    for x, y in ((60, 50), (90, 30)):
        assert target[y - 3 : y + 4, x - 3 : x + 4].max() > 0.9
    heat = figure.point_heatmaps['joint']
    assert np.unravel_index(heat.argmax(), heat.shape) == pytest.approx((82, 42), abs=2)
    assert 'keypoints' in figure.detections


def test_ground_truth_without_properties(tmp_path):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), np.zeros((128, 128, 3), np.uint8))
    sample = DetDataSample(metainfo=dict(img_path=str(path), ori_shape=(128, 128)))
    sample.gt_instances = objects([20.0, 20, 100, 100], TRUE_JOINTS)
    del sample.gt_instances.keypoints
    sample.pred_instances = objects([40.0, 20, 120, 100], TRUE_JOINTS, scores=[0.9])
    head = head_of_joints()
    figure = figure_of_file(head, sample, maps_of(head))
    assert figure.target.max() > 0.9
    assert figure.point_targets == {}


@pytest.mark.slow
def test_training_and_validation(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'mmdet_centernet.hooks.heatmap_hook.print_log',
        lambda text, **kwargs: logged.append(text),
    )
    cfg = shrink(load_config(NAME), tmp_path)
    cfg.custom_hooks = []
    cfg.default_hooks.heatmaps = dict(
        type='HeatmapVisualizationHook', interval=1, train_interval=1, score_thr=0.01
    )
    cfg.default_hooks.checkpoint = None
    cfg.visualizer.name = str(tmp_path)
    cfg.visualizer.vis_backends.append(
        dict(type='ImageRecorder', save_dir=str(tmp_path))
    )
    ImageRecorder.images.clear()
    Runner.from_cfg(cfg).train()
    assert logged == []
    assert len(ImageRecorder.images) == 8
    for _, image, _ in ImageRecorder.images:
        assert image.shape == (3 * (CAPTION_HEIGHT + 384), 2 * 384, 3)
        _, _, (target, _) = panels(image)
        assert (np.ptp(target, axis=2) > 50).any()
