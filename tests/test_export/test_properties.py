"""The graph and torch agree on properties."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmdet.utils import get_test_pipeline_cfg

from helpers.exported import (
    assert_same_properties,
    detector_of_properties,
    small_config,
    with_properties,
)
from helpers.properties import CONFIGS
from mmdet_centernet.codecs import (
    AngleProperty,
    KeypointsProperty,
    Property,
    ScalarProperty,
    VectorProperty,
)
from mmdet_centernet.export import describe_pipeline, export_onnx
from mmdet_centernet.export.geometry import describe_geometry
from mmdet_centernet.models import CTDetTTAModel

SKELETON = [(0, 1), (1, 2)]


@pytest.fixture
def export(tmp_path):
    """Exports a detector with all kinds of properties; returns it and the file."""

    def run(*, joints=None, change=None, **options):
        cfg = with_properties(small_config('r18_fpn'), **(joints or {}))
        detector = detector_of_properties(cfg)
        if change is not None:
            change(detector.bbox_head)
        path = tmp_path / 'model.onnx'
        exported = export_onnx(
            detector,
            path,
            pipeline=describe_pipeline(get_test_pipeline_cfg(cfg)),
            classes=['a', 'b', 'c'],
            **{'skeleton': SKELETON, 'normalize': True, **options},
        )
        return detector, path, exported

    return run


def by_key(detector):
    return {prop.key: prop for prop in detector.bbox_head.properties.values()}


def in_torch(detector, images, flip):
    """Scores and property fields of each image, by mmdet."""
    inputs = list(torch.from_numpy(images).permute(0, 3, 1, 2))
    shape = images.shape[1:3]
    meta = dict(img_shape=shape, ori_shape=shape)
    samples = [DetDataSample(metainfo=meta) for _ in images]
    with torch.no_grad():
        if flip:
            batch = dict(inputs=[inputs], data_samples=[samples])
            samples = CTDetTTAModel(detector).test_step(batch)
        else:
            samples = detector.test_step(dict(inputs=inputs, data_samples=samples))
    return [sample.pred_instances for sample in samples]


def assert_as_in_torch(path, detector, images, fed=None, flip=False):
    keys = by_key(detector)
    session = onnxruntime.InferenceSession(path)
    fed = images if fed is None else fed
    scores, *values = session.run(['scores', *keys], {'images': fed})
    for i, found in enumerate(in_torch(detector, images, flip)):
        assert_same_properties(
            dict(zip(keys, (one[i] for one in values), strict=True)),
            {key: found[key] for key in keys},
            scores[i],
            found.scores,
            keys,
        )


def noise(batch, height, width):
    random = np.random.default_rng(2)
    return random.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('flip', [False, True])
def test_other_sizes_and_batches_than_those_of_the_trace(flip, export):
    detector, path, exported = export(flip=flip)
    assert exported.properties == tuple(CONFIGS)
    assert exported.difference.properties < 1e-3
    for shape in ((1, 32, 32), (2, 64, 64), (3, 96, 57)):
        images = noise(*shape)
        assert_as_in_torch(path, detector, images, flip=flip)


def test_joints_move_to_peaks_in_these_tests(export):
    """Some keypoints snap and some do not, so that the rule is tested."""
    detector, _, _ = export()
    images = noise(1, 64, 96)
    (moved,) = in_torch(detector, images, flip=False)
    detector.bbox_head.point_sets = {}
    detector.bbox_head.name_maps = _first_maps(detector.bbox_head)
    (expected,) = in_torch(detector, images, flip=False)
    share = (moved.keypoints != expected.keypoints).any(-1).float().mean()
    assert 0.1 < share < 0.9


def _first_maps(head):
    names = ['heatmap', 'wh', 'offset', *head.properties]
    return lambda outs: {name: one[-1] for name, one in zip(names, outs, strict=False)}


def test_normalized_images(export):
    detector, path, _ = export(normalize=False)
    images = noise(2, 32, 96)
    mean, std = (detector.data_preprocessor.get_buffer(n) for n in ('mean', 'std'))
    pixels = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2)
    assert_as_in_torch(path, detector, images, ((pixels - mean) / std).numpy())


@pytest.mark.parametrize(
    'topk', [300, *(pytest.param(k, marks=pytest.mark.slow) for k in (3, 60, 2000))]
)
def test_fewer_and_more_cells_than_peaks_of_joints(topk, export):
    """Traced on 256 cells."""
    detector, path, exported = export(joints=dict(topk=topk))
    for shape in ((1, 32, 32), (2, 64, 96), (1, 160, 224)):
        assert_as_in_torch(path, detector, noise(*shape))
    cells = [
        -(-height // 32) * -(-width // 32) * 64 for _, height, width in exported.inputs
    ]
    assert min(cells) == 64
    assert max(cells) > topk


def test_a_frozen_number_of_peaks_of_joints_is_seen(export, tmp_path, monkeypatch):
    """Three classes always have more cells than topk; a keypoint does not."""
    monkeypatch.setattr(
        'mmdet_centernet.functional.peaks._at_most',
        lambda k, length: min(k, int(length)),
    )
    with pytest.raises(ValueError, match=r'1 image of 16 x 16: the graph does not run'):
        export(joints=dict(topk=300))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize('size', [(32, 32), (96, 160)])
def test_static(size, export):
    detector, path, _ = export(static=size)
    assert_as_in_torch(path, detector, noise(1, *size))


def test_one_output_each_and_what_a_runtime_has_to_know(export):
    _, path, _ = export()
    model = onnx.load(path)
    names = [output.name for output in model.graph.output]
    keys = [config['key'] for config in CONFIGS.values()]
    assert names == ['boxes', 'scores', 'labels', *keys]
    metadata = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert metadata['mmdet_centernet'] == 1
    described = {one.pop('name'): one for one in metadata['properties']}
    assert described == dict(
        angle=dict(key='angles', geometry=dict(kind='angle', period=360)),
        line=dict(key='lines', geometry=dict(kind='angle', period=180)),
        motion=dict(key='motions', geometry=dict(kind='displacement')),
        joints=dict(
            key='keypoints',
            geometry=dict(kind='keypoints'),
            skeleton=[[0, 1], [1, 2]],
        ),
        length=dict(key='lengths', geometry=dict(kind='length')),
        age=dict(key='ages', geometry=dict(kind='plain')),
    )


def decode_wrongly(kind):
    """Decoding that is wrong in the graph only."""
    decode = kind.decode

    def decoded(self, encoded, cells):
        values = decode(self, encoded, cells)
        return values * 1.01 + 0.1 if torch.jit.is_tracing() else values

    return decoded


@pytest.mark.parametrize(
    'kind', [ScalarProperty, VectorProperty, AngleProperty, KeypointsProperty]
)
def test_a_wrong_property_is_seen(kind, export, tmp_path, monkeypatch):
    monkeypatch.setattr(kind, 'decode', decode_wrongly(kind))
    with pytest.raises(ValueError, match=r'disagree.*properties by 0\.\d+ of their'):
        export()
    assert not list(tmp_path.iterdir())


def test_a_property_that_is_no_number_is_seen(export, tmp_path):
    def change(head):
        torch.nn.init.constant_(head.age_head[-1].bias, torch.nan)

    with pytest.raises(ValueError, match='disagree'):
        export(change=change)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('key', ['boxes', 'images', 'score', 'area', 'num_keypoints'])
def test_keys_that_predictions_have_already(key, export, tmp_path):
    def change(head):
        head.properties['age'].key = key

    with pytest.raises(
        ValueError, match=rf"key of age is '{key}', .* Its weights stay"
    ):
        export(change=change)
    assert not list(tmp_path.iterdir())


class Points(Property):
    """Points of a user, with their geometry."""

    row_shape = (2, 2)
    channels = 4
    kind = 'keypoints'

    @property
    def geometry(self):
        return dict(kind=self.kind)

    def transform(self, values, matrices):
        return KeypointsProperty('', num_points=2).transform(values, matrices)


class Moments(Property):
    """A user's property without a geometry."""

    row_shape = (3,)
    channels = 3

    def transform(self, values, matrices):
        linear = matrices[..., None, :2, :2].to(values.dtype)
        moments = values[..., [0, 1, 1, 2]].unflatten(-1, (2, 2))
        return (linear @ moments @ linear.transpose(-1, -2)).flatten(-2)[..., [0, 1, 3]]


class ScaledMoments(Moments):
    """A user's property with a geometry."""

    powers = ((2, 0), (1, 1), (0, 2))

    @property
    def geometry(self):
        return dict(kind='scaled', powers=self.powers)


class Lengths(Property):
    """Several lengths, which the shipped classes do not have."""

    row_shape = (3,)
    channels = 3
    geometry = dict(kind='length')  # noqa: RUF012

    def transform(self, values, matrices):
        return values * matrices[..., :2, :2].det().abs().sqrt()[..., None, None]


@pytest.mark.parametrize('config', CONFIGS.values(), ids=CONFIGS)
def test_shipped_properties_do_what_they_say(config):
    prop = TASK_UTILS.build(config)
    assert describe_geometry('it', prop) == prop.geometry


def test_properties_of_users():
    assert describe_geometry('plain', Property('a')) == dict(kind='plain')
    assert describe_geometry('points', Points('a')) == dict(kind='keypoints')
    assert describe_geometry('lengths', Lengths('a')) == dict(kind='length')


def test_powers_of_width_and_height():
    prop = ScaledMoments('a')
    assert describe_geometry('it', prop)['kind'] == 'scaled'
    prop.powers = [(2, 0), (1, 0), (0, 2)]
    with pytest.raises(ValueError, match='would be wrong'):
        describe_geometry('it', prop)


@pytest.mark.parametrize('kind', ['plain', 'displacement', 'length'])
def test_a_geometry_that_is_not_true(kind):
    prop = Points('a')
    prop.kind = kind
    with pytest.raises(ValueError, match=r'points is a Points, .* would be wrong'):
        describe_geometry('points', prop)


def test_a_transform_of_no_kind(export, tmp_path):
    with pytest.raises(
        ValueError, match='shape is a Moments, whose transform does not'
    ):
        describe_geometry('shape', Moments('a'))

    def change(head):
        head.properties['age'].transform = lambda values, matrices: values + 1

    with pytest.raises(ValueError, match='age is a ScalarProperty'):
        export(change=change)
    assert not list(tmp_path.iterdir())


def test_a_kind_that_nobody_knows():
    prop = Points('a')
    prop.kind = 'ellipse'
    with pytest.raises(ValueError, match=r"kind has to be one of \['plain', 'length'"):
        describe_geometry('points', prop)


def test_a_geometry_of_another_shape():
    prop = Lengths('a')
    prop.geometry = dict(kind='keypoints')
    with pytest.raises(ValueError, match=r'would be wrong.*\(RuntimeError'):
        describe_geometry('it', prop)
