"""Properties in the visualizations of mmdet's tools."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from helpers.exported import detector_of_properties
from helpers.tiny import load_config, shrink
from mmdet_centernet.apis import CTDetInferencer
from mmdet_centernet.visualization import CTDetLocalVisualizer

NAME = 'ctpose_r18-half-fpn_1xb8-4e_digits-corners'
JOINTS = dict(joints=dict(type='KeypointsProperty', num_points=4))
AGE = dict(age=dict(type='ScalarProperty', key='ages'))
SQUARE = [[50.0, 40], [100, 40], [100, 90], [50, 90]]
SHAPE = (140, 200)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def objects(count=1, labels=None, **fields):
    labels = torch.zeros(count) if labels is None else torch.tensor(labels)
    return InstanceData(
        bboxes=torch.tensor([[30.0, 20, 120, 110]] * count),
        labels=labels.long(),
        **{key: torch.tensor(values) for key, values in fields.items()},
    )


def visualizer(properties=JOINTS, meta=None, **options):
    built = CTDetLocalVisualizer(properties=properties, line_width=1, **options)
    built.dataset_meta = dict(classes=('a', 'b'), palette=[RED, BLUE]) | (meta or {})
    return built


def draw(built, truth=None, found=None, **options):
    """Draws and splits into columns: ground truth, detections."""
    sample = DetDataSample()
    if truth is not None:
        sample.gt_instances = truth
    if found is not None:
        sample.pred_instances = found
    built.add_datasample('it', np.zeros((*SHAPE, 3), np.uint8), sample, **options)
    image = built.get_image().astype(int)
    return np.hsplit(image, image.shape[1] // SHAPE[1])


def ink(panel, x, y, color=RED):
    """Returns whether a color was drawn around a point."""
    near = panel[y - 2 : y + 3, x - 2 : x + 3]
    return bool((np.abs(near - color).max(axis=2) < 90).any())


def test_ground_truth_and_detections_have_their_own_properties():
    moved = np.add(SQUARE, (-10, 5)).tolist()
    found = objects(keypoints=[moved], scores=[0.9])
    pair = draw(visualizer(), objects(keypoints=[SQUARE]), found)
    for panel, points, others in zip(
        pair, (SQUARE, moved), (moved, SQUARE), strict=True
    ):
        assert all(ink(panel, *map(int, point)) for point in points)
        assert not any(ink(panel, *map(int, point)) for point in others)


def test_boxes_are_those_of_mmdet():
    plain = DetLocalVisualizer(line_width=1)
    plain.dataset_meta = visualizer().dataset_meta
    for instances in (objects(), objects(scores=[0.9])):
        (theirs,) = draw(plain, instances, draw_pred=False)
        (ours,) = draw(visualizer(), instances, draw_pred=False)
        np.testing.assert_array_equal(ours, theirs)


def test_score_threshold_of_the_tools():
    found = objects(
        2, keypoints=[SQUARE, np.add(SQUARE, 7).tolist()], scores=[0.9, 0.4]
    )
    (above,) = draw(visualizer(), found=found, draw_gt=False, pred_score_thr=0.5)
    assert ink(above, 50, 40)
    assert not ink(above, 57, 47)
    (both,) = draw(visualizer(), found=found, draw_gt=False, pred_score_thr=0.3)
    assert ink(both, 57, 47)


def test_colors_are_those_of_classes():
    far = np.add(SQUARE, (90, 40)).tolist()
    truth = objects(2, labels=[1, 0], keypoints=[SQUARE, far])
    (panel,) = draw(visualizer(), truth, draw_pred=False)
    assert ink(panel, 50, 40, BLUE)
    assert not ink(panel, 50, 40, RED)
    assert ink(panel, 140, 80, RED)
    (one,) = draw(visualizer(bbox_color=(0, 255, 0)), truth, draw_pred=False)
    assert ink(one, 50, 40, (0, 255, 0))


@pytest.mark.parametrize(
    ('own', 'of_data', 'limb'),
    [
        (None, None, False),
        (None, ((0, 1),), True),
        ([(0, 1)], None, True),
        ([(2, 3)], ((0, 1),), False),
        ((), ((0, 1),), False),
    ],
)
def test_skeleton_of_config_or_dataset(own, of_data, limb):
    built = visualizer(meta=dict(skeleton=of_data) if of_data else None, skeleton=own)
    (panel,) = draw(built, objects(keypoints=[SQUARE]), draw_pred=False)
    assert ink(panel, 75, 40) == limb


def test_texts_are_not_in_the_color_of_a_class():
    (panel,) = draw(visualizer(AGE), objects(ages=[7.5]), draw_pred=False)
    region = panel[95:108, 33:80]
    assert (region.min(axis=2) > 120).any()


def test_objects_without_fields():
    nothing = objects(0)
    unlabeled = objects(keypoints=[[[np.nan] * 2] * 4])
    for instances in (nothing, unlabeled, objects(), InstanceData()):
        (ours,) = draw(visualizer(), instances, draw_pred=False)
        assert not ink(ours, 50, 40)


def test_properties_with_the_same_key_are_refused():
    two = dict(a=AGE['age'], b=AGE['age'])
    with pytest.raises(ValueError, match='have the key'):
        CTDetLocalVisualizer(properties=two)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Config with data whose objects have corners, and a checkpoint."""
    folder = tmp_path_factory.mktemp('trained')
    cfg = shrink(load_config(NAME), folder)
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for category in content['categories']:
        category.update(skeleton=[[1, 2], [2, 3], [3, 4], [4, 1]])
    path.write_text(json.dumps(content))
    cfg.visualizer.update(
        type='CTDetLocalVisualizer', properties=cfg.properties, name=str(folder)
    )
    cfg.default_hooks.checkpoint = None
    cfg.load_from = str(folder / 'weights.pth')
    detector = detector_of_properties(cfg)
    meta = dict(
        dataset_meta=dict(
            classes=cfg.metainfo.classes, skeleton=((0, 1), (1, 2), (2, 3), (3, 0))
        )
    )
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), cfg.load_from)
    return cfg


@pytest.fixture
def calls(monkeypatch):
    """Records number of objects, keys and skeleton of each drawing."""
    from mmdet_centernet.visualization import local_visualizer

    seen, original = [], local_visualizer.draw_properties

    def draw_properties(visualizer, boxes, values, properties, color, skeleton, **how):
        seen.append((len(boxes), sorted(values), skeleton))
        original(visualizer, boxes, values, properties, color, skeleton, **how)

    monkeypatch.setattr(local_visualizer, 'draw_properties', draw_properties)
    return seen


@pytest.mark.slow
def test_show_dir_of_a_test(trained, calls, tmp_path):
    cfg = copy.deepcopy(trained)
    cfg.work_dir = str(tmp_path)
    hook = dict(draw=True, test_out_dir='shown', score_thr=0.01)
    cfg.default_hooks.visualization.update(hook)
    Runner.from_cfg(cfg).test()
    images = list(tmp_path.rglob('shown/*.jpg'))
    assert len(images) == 4
    skeletons = {skeleton for _, _, skeleton in calls}
    assert skeletons == {((0, 1), (1, 2), (2, 3), (3, 0))}  # the file counts from 1
    assert all(keys == ['keypoints'] for _, keys, _ in calls)
    assert len(calls) > 4


def test_det_inferencer(trained, calls, tmp_path):
    images = sorted(
        (tmp_path / trained.test_dataloader.dataset.data_root).rglob('*.jpg')
    )
    cfg = copy.deepcopy(trained)
    cfg.visualizer.name = str(tmp_path)
    path = tmp_path / 'config.py'
    cfg.dump(path)
    inferencer = DetInferencer(
        str(path), cfg.load_from, device='cpu', show_progress=False
    )
    options = dict(pred_score_thr=0.01, no_save_pred=False)
    result = inferencer(str(images[0]), out_dir=str(tmp_path / 'out'), **options)
    shown = cv2.imread(str(tmp_path / 'out/vis' / images[0].name))
    assert (shown != cv2.imread(str(images[0]))).any()
    assert calls
    assert {skeleton for _, _, skeleton in calls} == {((0, 1), (1, 2), (2, 3), (3, 0))}
    # See docs/properties.md: mmdet's dictionary has no properties.
    assert set(result['predictions'][0]) == {'labels', 'scores', 'bboxes'}
    result = inferencer(str(images[0]), return_datasamples=True)
    (sample,) = result['predictions']
    assert sample.pred_instances.keypoints.shape == (100, 4, 2)
    ours = CTDetInferencer(str(path), cfg.load_from, device='cpu', show_progress=False)
    (found,) = ours(str(images[0]))['predictions']
    assert found['keypoints'] == sample.pred_instances.keypoints.tolist()
