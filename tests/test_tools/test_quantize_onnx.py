"""Quantized networks."""

import cv2
import numpy as np
import onnx
import pytest
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config

from helpers.exported import detector_of_properties, lively_detector, with_properties
from helpers.properties import CONFIGS
from helpers.real_images import real_images
from helpers.scripts import run_python
from helpers.tiny import REPO, tiny_config
from helpers.tool_modules import load_tool
from mmdet_centernet.export import describe_pipeline, export_onnx

SCRIPT = REPO / 'tools/quantize_onnx.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Handwritten digits, and a model with and one without `normalize`."""
    folder = tmp_path_factory.mktemp('quantize')
    (folder / 'calibration').mkdir()
    for number, drawn in enumerate(real_images('0123456789')):
        cv2.imwrite(str(folder / f'calibration/{number}.png'), drawn.image)
    cfg = Config.fromfile(tiny_config(folder))
    detector = lively_detector(cfg)
    pipeline = describe_pipeline(get_test_pipeline_cfg(cfg))
    classes = [f'class {i}' for i in range(detector.bbox_head.num_classes)]
    for name, normalize in dict(model=True, floats=False).items():
        path = folder / f'{name}.onnx'
        export_onnx(
            detector,
            path,
            pipeline=pipeline,
            classes=classes,
            normalize=normalize,
        )
    return folder


def quantize(folder, model, **kwargs):
    return run_python(SCRIPT, model, 'calibration', 'small.onnx', cwd=folder, **kwargs)


def test_convolutions_get_integers_and_find_much_the_same(folder):
    printed = quantize(folder, 'model.onnx')
    assert 'small.onnx: ' in printed
    before, after = (folder / f'{name}.onnx' for name in ('model', 'small'))
    assert after.stat().st_size < before.stat().st_size / 2
    weights = {one.name: one for one in onnx.load(after).graph.initializer}
    assert sum(one.data_type == onnx.TensorProto.INT8 for one in weights.values()) > 10

    tool = load_tool('predict_onnx.py')
    ours, theirs = (tool.Detector(path) for path in (after, before))
    assert ours.classes == theirs.classes
    for path in sorted((folder / 'calibration').iterdir()):
        image = tool.read_image(path)
        (some,), (others,) = ours([image]), theirs([image])
        found = [
            (np.abs(some.boxes - box).max(1) < 8) & (some.labels == label)
            for box, label in zip(others.boxes[:5], others.labels[:5], strict=True)
        ]
        assert sum(map(np.any, found)) >= 3  # a random network is a bad case


def test_properties_pass_through(folder, tmp_path):
    cfg = with_properties(Config.fromfile(folder / 'tiny.py'))
    export_onnx(
        detector_of_properties(cfg),
        tmp_path / 'model.onnx',
        pipeline=describe_pipeline(get_test_pipeline_cfg(cfg)),
        classes=['a', 'b'],
        normalize=True,
        skeleton=[(0, 1)],
    )
    run_python(
        *(SCRIPT, tmp_path / 'model.onnx', 'calibration', tmp_path / 'small.onnx'),
        cwd=folder,
    )
    tool = load_tool('predict_onnx.py')
    ours, theirs = (tool.Detector(tmp_path / f'{n}.onnx') for n in ('small', 'model'))
    assert ours.properties == theirs.properties
    assert len(ours.properties) == len(CONFIGS)
    image = tool.read_image(folder / 'calibration/0.png')
    (some,), (others,) = ours([image]), theirs([image])
    for key, values in others.properties.items():
        assert some.properties[key].shape[1:] == values.shape[1:]
        assert np.isfinite(some.properties[key]).all()
        middle = np.median(some.properties[key]), np.median(values)
        assert abs(np.subtract(*middle)) <= 0.2 * (1 + np.ptp(values))


def test_an_image_that_cannot_be_read_is_left_out(folder, tmp_path):
    (tmp_path / '1.jpg').write_bytes(b'\xff\xd8\xff broken')
    command = (SCRIPT, folder / 'model.onnx', tmp_path, tmp_path / 'small.onnx')
    printed = run_python(*command, cwd=folder, check=False)
    assert 'Traceback' not in printed
    assert 'quantize_onnx: ' in printed
    (tmp_path / '2.png').write_bytes((folder / 'calibration/0.png').read_bytes())
    printed = run_python(*command, cwd=folder)
    assert '1.jpg cannot be read as an image' in printed
    assert 'small.onnx: ' in printed


def test_needs_a_model_with_normalize(folder):
    before = set(folder.iterdir())
    printed = quantize(folder, 'floats.onnx', check=False)
    assert 'export it with --normalize' in printed
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    ('model', 'says'), [('absent.onnx', 'no file'), ('tiny.py', 'cannot run')]
)
def test_what_is_no_model_is_named(folder, model, says):
    assert says in quantize(folder, model, check=False)
