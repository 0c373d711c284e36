"""The runner predicts and draws properties as mmdet does."""

import json

import cv2
import numpy as np
import onnx
import pytest
import torch
from mmdet.apis import inference_detector
from mmdet.registry import TASK_UTILS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.exported import (
    assert_same_properties,
    detector_of_properties,
    small_config,
    with_properties,
)
from helpers.properties import CONFIGS
from helpers.tool_modules import load_tool
from mmdet_centernet.export import describe_pipeline, export_onnx

LOAD = dict(type='LoadImageFromFile')
PIPELINES = dict(
    as_it_is=[LOAD],
    resize_into=[LOAD, dict(type='Resize', scale=(120, 96), keep_ratio=True)],
    resize_to=[LOAD, dict(type='Resize', scale=(150, 70), keep_ratio=False)],
    affine_pad=[LOAD, dict(type='CenterAffine', pad=31)],
    affine_fit=[LOAD, dict(type='CenterAffine', size=(160, 128))],
)
META_KEYS = ('ori_shape', 'img_shape', 'scale_factor', 'homography_matrix')
SKELETON = [(0, 1), (1, 2)]


@pytest.fixture(scope='module')
def tool():
    return load_tool('predict_onnx.py')


@pytest.fixture(scope='module')
def trained():
    cfg = with_properties(small_config('r18_fpn'))
    cfg.model.test_cfg = dict(topk=100, local_maximum_kernel=3)
    return cfg, detector_of_properties(cfg)


@pytest.fixture(scope='module')
def write_model(trained, tmp_path_factory):
    """Exports the detector with a test pipeline; returns its config and the file."""
    cfg, detector = trained

    def write(transforms):
        changed = Config(cfg.to_dict())
        pack = dict(type='PackPropertyInputs', meta_keys=META_KEYS)
        changed.test_dataloader.dataset.pipeline = [*transforms, pack]
        path = tmp_path_factory.mktemp('model') / 'm.onnx'
        export_onnx(
            detector,
            path,
            pipeline=describe_pipeline(get_test_pipeline_cfg(changed)),
            classes=['a', 'b', 'c'],
            normalize=True,
            skeleton=SKELETON,
        )
        return changed, path

    return write


@pytest.fixture(scope='module')
def model(write_model):
    return write_model(PIPELINES['as_it_is'])[1]


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Images of noise at all scales."""
    folder = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for index, shape in enumerate([(90, 130), (113, 64)]):
        image = np.zeros((*shape, 3))
        for coarse in (1, 4, 16):
            size = [-(-side // coarse) for side in shape]
            noise = random.uniform(0, 85, (*size, 3)).astype(np.float32)
            image += cv2.resize(noise, shape[::-1])
        cv2.imwrite(str(folder / f'{index}.png'), image.astype(np.uint8))
    return folder


@pytest.mark.parametrize('name', PIPELINES)
def test_all_fields_are_those_of_mmdet(name, tool, trained, write_model, images):
    _, detector = trained
    cfg, path = write_model(PIPELINES[name])
    detector.cfg = cfg
    runner = tool.Detector(path, threads=1)
    by_key = {prop.key: prop for prop in detector.bbox_head.properties.values()}
    for file in sorted(images.iterdir()):
        (ours,) = runner([tool.read_image(file)])
        found = inference_detector(detector, str(file)).pred_instances
        found = found[found.scores > 0]
        theirs = {key: found[key] for key in by_key}
        assert_same_properties(
            ours.properties, theirs, ours.scores, found.scores, by_key
        )


@pytest.mark.parametrize(
    'matrix',
    [
        [[0.5, 0, 3], [0, 0.5, -7], [0, 0, 1]],
        [[1.7, 0, 13], [0, 0.6, -4], [0, 0, 1]],
    ],
)
@pytest.mark.parametrize('name', CONFIGS)
def test_values_move_as_in_torch(name, matrix, tool):
    prop = TASK_UTILS.build(CONFIGS[name])
    values = torch.randn(50, *prop.row_shape) * 100
    values[0] = 0
    expected = prop.transform(values, torch.tensor(matrix, dtype=torch.float64))
    found = tool.map_values(values.numpy(), np.array(matrix), **prop.geometry)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    if 'period' in prop.geometry:
        assert found.min() >= 0
        assert found.max() < prop.period


def test_powers_of_width_and_height(tool):
    values = np.array([[1.0, 2, 3], [4, 5, 6]], np.float32)
    powers = [(2, 0), (1, 1), (0, 2)]
    found = tool.map_values(values, np.diag([2, 3, 1]), kind='scaled', powers=powers)
    np.testing.assert_allclose(found, values * (4, 6, 9))


def test_an_angle_just_below_a_period_is_none(tool):
    angles = np.array([360 - 1e-9, -1e-9, 359.99999999], np.float32)
    found = tool.map_values(angles, np.eye(3), kind='angle', period=360)
    assert ((found >= 0) & (found < 360)).all()


@pytest.fixture
def predict(tool, monkeypatch, tmp_path):
    """Runs the script in this process; returns what it wrote."""

    def run(model, images, *options):
        command = [model, images, '--out-dir', tmp_path / 'out', *options]
        monkeypatch.setattr('sys.argv', ['predict_onnx.py', *map(str, command)])
        tool.main()
        return json.loads((tmp_path / 'out/predictions.json').read_text())

    return run


def test_annotations_have_the_fields_of_a_dataset(model, images, predict, tool):
    results = predict(model, images)
    runner = tool.Detector(model)
    (found,) = runner([tool.read_image(images / '0.png')])
    notes = [one for one in results['annotations'] if one['image_id'] == 1]
    assert len(notes) == len(found.scores) > 20
    for config in CONFIGS.values():
        prop = TASK_UTILS.build(config)
        read = np.array([prop.read(note[prop.key]) for note in notes])
        expected = found.properties[prop.key]
        np.testing.assert_allclose(read, expected, rtol=1e-5, atol=1e-4)
    assert {note['num_keypoints'] for note in notes} == {3}
    assert {note['keypoints'][2] for note in notes} == {1}
    assert isinstance(notes[0]['ages'], float)


def test_keypoints_are_evaluated_by_pycocotools(model, images, predict, tmp_path):
    results = predict(model, images)
    best = {}
    for note in results['annotations']:
        best.setdefault((note['image_id'], note['category_id']), note)
    content = {**results, 'annotations': list(best.values())}
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    truth = COCO(tmp_path / 'truth.json')
    results = predict(model, images, '--annotations', tmp_path / 'truth.json')
    found = truth.loadRes(results['annotations'])
    evaluation = COCOeval(truth, found, 'keypoints')
    evaluation.params.kpt_oks_sigmas = np.full(3, 0.05)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[5] == pytest.approx(1)  # each is found, as it is


def drawn(tool, properties, **values):
    """(140, 200) bool: pixels drawn for an object without its box."""
    image = np.zeros((140, 200, 3), np.uint8)
    found = tool.Detections(
        np.array([[40.0, 20, 120, 100]], np.float32),
        np.array([0.9]),
        np.array([0]),
        {key: np.array([row]) for key, row in values.items()},
    )
    for one in properties:
        tool.draw_property(image, found, one)
    tool.write_properties(image, found, properties)
    return image.sum(axis=2) > 60


def described(key='it', **geometry):
    return dict(name='it', key=key, geometry=geometry, skeleton=SKELETON)


def ink(mask, x, y, reach=2):
    return bool(mask[y - reach : y + reach + 1, x - reach : x + reach + 1].any())


@pytest.mark.parametrize(
    ('angle', 'tip', 'tail'),
    [(0, (118, 60), (44, 60)), (90, (80, 98), (80, 24)), (45, (107, 87), (53, 33))],
)
def test_angles_are_arrows_or_lines(angle, tip, tail, tool):
    arrow = drawn(tool, [described(kind='angle', period=360)], it=angle)
    assert ink(arrow, 80, 60)
    assert ink(arrow, *tip)
    assert not ink(arrow, *tail)
    line = drawn(tool, [described(kind='angle', period=180)], it=angle)
    assert ink(line, *tip)
    assert ink(line, *tail)
    assert line.sum() < 1.8 * arrow.sum()  # without heads


def test_ways_keypoints_and_numbers(tool):
    way = drawn(tool, [described(kind='displacement')], it=[50, -40])
    assert ink(way, 130, 20)
    assert not ink(way, 140, 12)
    points = [[50.0, 30], [110, 30], [-500, 90]]
    dots = drawn(tool, [described(kind='keypoints')], it=points)
    assert ink(dots, 50, 30)
    assert ink(dots, 80, 30)  # a limb
    bare = drawn(tool, [described(kind='keypoints') | dict(skeleton=[])], it=points)
    assert ink(bare, 110, 30)
    assert not ink(bare, 80, 30)
    text = drawn(tool, [described(kind='plain')], it=[1, 2, 3])
    ys, xs = np.nonzero(text)
    assert xs.min() >= 40
    assert 80 < ys.min() < ys.max() < 100
    both = [described(kind='plain'), described('other', kind='length')]
    higher, _ = np.nonzero(drawn(tool, both, it=1.0, other=2.0))
    assert higher.min() < ys.min() - 8


def test_visualizations_show_properties(model, images, predict, tool, tmp_path):
    predict(model, images, '--score-thr', 0.3)
    image = tool.read_image(images / '0.png')
    runner = tool.Detector(model)
    (found,) = runner([image])
    sure = found[found.scores > 0.3]
    assert len(sure.scores)
    shown = cv2.imread(str(tmp_path / 'out/0.png'))
    np.testing.assert_array_equal(shown, runner.draw(image, sure))
    for left_out in ('angle', 'motion', 'joints', 'age'):  # each adds to the boxes
        runner.properties = [
            one for one in runner.properties if one['name'] != left_out
        ]
        without = runner.draw(image, sure)
        assert (shown != without).any(), left_out
        shown = without


def test_detections_unpack_into_what_all_objects_have(model, images, tool):
    (found,) = tool.Detector(model)([tool.read_image(images / '0.png')])
    boxes, scores, labels = found
    assert boxes is found.boxes
    assert scores is found.scores
    assert labels is found.labels
    first = found[:2]
    assert {len(one) for one in (*first, *first.properties.values())} == {2}


def change_metadata(model, path, **values):
    content = onnx.load(model)
    metadata = {one.key: one.value for one in content.metadata_props}
    changed = {**metadata, **{key: json.dumps(one) for key, one in values.items()}}
    kept = {key: one for key, one in changed.items() if one != 'null'}
    del content.metadata_props[:]
    onnx.helper.set_model_props(content, kept)
    onnx.save(content, path)
    return path


def test_files_of_before_have_no_properties(model, images, predict, tmp_path):
    old = change_metadata(model, tmp_path / 'old.onnx', properties=None)
    results = predict(old, images)
    assert not {'ages', 'keypoints', 'num_keypoints'} & {*results['annotations'][0]}


def test_a_kind_of_a_later_version(model, images, predict, tmp_path):
    later = [dict(name='shape', key='ages', geometry=dict(kind='ellipse'))]
    newer = change_metadata(model, tmp_path / 'newer.onnx', properties=later)
    with pytest.raises(SystemExit, match=r"a property shape of the kind 'ellipse'"):
        predict(newer, images)


def test_a_step_of_a_later_version(model, images, predict, tmp_path):
    later = [['rotate', dict(angle=90)]]
    newer = change_metadata(model, tmp_path / 'newer.onnx', view=later)
    message = r"has a step 'rotate', but .* knows resize, center_pad, center_fit"
    with pytest.raises(SystemExit, match=message):
        predict(newer, images)


def test_outputs_that_are_not_there(model, images, predict, tmp_path):
    more = [dict(name='depth', key='depths', geometry=dict(kind='plain'))]
    wrong = change_metadata(model, tmp_path / 'wrong.onnx', properties=more)
    with pytest.raises(SystemExit, match='has no depths'):
        predict(wrong, images)
