"""ONNX Runtime agrees with torch for every network."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmdet.utils import get_test_pipeline_cfg

from helpers.exported import (
    HAS_DEFORM_CONV,
    assert_same,
    in_mmdet,
    in_onnxruntime,
    lively_detector,
    small_config,
)
from helpers.stock import build_model, stock_config
from helpers.tiny import REPO
from mmdet_centernet.export import describe_pipeline, export_onnx

NETWORKS = [
    'r18',
    'official_r18_dcn',
    'r18_fast',  # with a unit of sizes
    'cspnext_fast',  # with shared and smoothing convolutions
    pytest.param('dla34', marks=pytest.mark.slow),
    pytest.param('hourglass', marks=pytest.mark.slow),
]
BATCH = 3


@pytest.fixture
def export(tmp_path):
    """Exports a detector; returns it, the file and the summary."""

    def run(name, detector=None, grid_sample=not HAS_DEFORM_CONV, **options):
        cfg = small_config(name)
        detector = detector or lively_detector(cfg)
        path = tmp_path / 'model.onnx'
        exported = export_onnx(
            detector,
            path,
            pipeline=describe_pipeline(get_test_pipeline_cfg(cfg)),
            classes=[str(i) for i in range(cfg.model.bbox_head.num_classes)],
            grid_sample=grid_sample,
            **options,
        )
        return detector, path, exported

    return run


def images_for(name):
    """uint8 images (B, H, W, 3) of a size that was neither traced nor compared."""
    unit = 128 if name == 'hourglass' else 32
    shape = (BATCH, unit, 4 * unit - 7, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('name', NETWORKS)
def test_an_unseen_size_and_batch(name, flip, export):
    detector, path, _ = export(name, normalize=True, flip=flip)
    images = images_for(name)
    expected = in_mmdet(detector, images, flip)
    for ours, theirs in zip(in_onnxruntime(path, images), expected, strict=True):
        assert_same(ours, theirs)


def test_normalized_images(export):
    detector, path, _ = export('r18_fpn')
    images = images_for('r18_fpn')
    mean, std = (detector.data_preprocessor.get_buffer(n) for n in ('mean', 'std'))
    pixels = torch.from_numpy(images[..., ::-1].copy()).permute(0, 3, 1, 2)
    normalized = ((pixels - mean) / std).numpy()
    expected = in_mmdet(detector, images)
    for ours, theirs in zip(in_onnxruntime(path, normalized), expected, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize(
    ('name', 'grid_sample', 'opset', 'operator'),
    [
        ('r18', False, 16, None),
        pytest.param(
            *('r18_dcn', False, 19, 'DeformConv'),
            marks=pytest.mark.skipif(
                not HAS_DEFORM_CONV,
                reason='DeformConv needs torch 2.1 and onnxruntime 1.25',
            ),
        ),
        ('r18_dcn', True, 16, 'GridSample'),
    ],
)
def test_standard_operators_only(name, grid_sample, opset, operator, export):
    _, path, exported = export(name, grid_sample=grid_sample)
    model = onnx.load(path)
    assert [(one.domain, one.version) for one in model.opset_import] == [('', opset)]
    assert exported.opset == opset
    kinds = [node.op_type for node in model.graph.node]
    for kind in ('DeformConv', 'GridSample'):
        assert kinds.count(kind) == (3 if kind == operator else 0)


def test_says_what_a_runtime_has_to_know(export):
    _, path, _ = export('r18_dcn', flip=True)
    model = onnx.load(path)
    metadata = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert metadata['classes'] == [str(i) for i in range(80)]
    assert metadata['stride'] == 4
    assert metadata['channels'] == 'rgb'
    assert metadata['mean'] == pytest.approx([123.675, 116.28, 103.53])
    assert metadata['std'] == pytest.approx([58.395, 57.12, 57.375])
    assert metadata['view'] == [['center_pad', dict(pad=31)]]
    assert (metadata['pad_size_divisor'], metadata['pad_value']) == (1, 0)
    assert metadata['flip'] is True
    assert metadata['normalize'] is False
    (images,) = model.graph.input
    sides = [
        side.dim_param or side.dim_value for side in images.type.tensor_type.shape.dim
    ]
    assert sides == ['batch', 3, 'height', 'width']
    assert [output.name for output in model.graph.output] == [
        'boxes',
        'scores',
        'labels',
    ]


def test_nothing_of_this_machine_is_in_the_file(export):
    _, path, _ = export('r18_fpn')
    assert str(REPO).encode() not in path.read_bytes()


def test_the_detector_stays_as_it_was(export):
    detector = lively_detector(small_config('r18_dcn'))
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    export('r18_dcn', detector)
    after = detector.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_no_file_where_the_two_disagree(export, tmp_path, monkeypatch):
    monkeypatch.setattr(
        'mmdet_centernet.export.network.ExportNetwork._merge_flipped',
        lambda network, maps, images: maps,
    )
    with pytest.raises(ValueError, match='ONNX Runtime and torch disagree'):
        export('r18_fpn', flip=True)
    assert not list(tmp_path.iterdir())


def test_no_file_of_weights_that_are_not_numbers(export, tmp_path):
    detector = lively_detector(small_config('r18_fpn'))
    torch.nn.init.constant_(detector.bbox_head.wh_head[2].bias, torch.nan)
    with pytest.raises(ValueError, match='disagree'):
        export('r18_fpn', detector)
    assert not list(tmp_path.iterdir())


class Strange(torch.autograd.Function):
    """Doubles its input with a custom operator."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def symbolic(g, x):
        return g.op('strange::Double', x)


class Doubled(torch.nn.Module):
    def forward(self, x):
        return Strange.apply(x)


def test_an_operator_that_onnx_does_not_know(export, tmp_path):
    detector = lively_detector(small_config('r18_fpn'))
    detector.bbox_head.wh_head.append(Doubled())
    with pytest.raises(ValueError, match='does not know: strange::Double'):
        export('r18_fpn', detector)
    assert not list(tmp_path.iterdir())


def test_a_runtime_without_deform_conv_is_told_what_it_takes(
    export, tmp_path, monkeypatch
):
    def session(*args, **kwargs):
        raise RuntimeError('Could not find an implementation for DeformConv(19)')

    if HAS_DEFORM_CONV:
        monkeypatch.setattr(onnxruntime, 'InferenceSession', session)
    with pytest.raises(ValueError, match=r'DeformConv.*export with --grid-sample'):
        export('r18_dcn', grid_sample=False)
    assert not list(tmp_path.iterdir())


def test_a_torch_without_deform_conv_is_told_what_it_takes(export, monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.0.1')
    with pytest.raises(ValueError, match=r'torch 2\.1; before, export with --grid'):
        export('r18_dcn', grid_sample=False)


def test_only_our_head(export):
    cfg = stock_config('centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py')
    with pytest.raises(TypeError, match=r"bbox_head\.type='CTDetHead'"):
        export('r18_dcn', build_model(cfg))


def test_no_nms(export):
    cfg = small_config('r18_fpn')
    cfg.model.test_cfg.nms = dict(type='nms', iou_threshold=0.5)
    with pytest.raises(ValueError, match=r'test_cfg\.nms'):
        export('r18_fpn', lively_detector(cfg))


def test_every_class_has_a_name(tmp_path):
    cfg = small_config('r18_fpn')
    pipeline = describe_pipeline(get_test_pipeline_cfg(cfg))
    with pytest.raises(ValueError, match='2 classes, but the head has 3'):
        export_onnx(
            lively_detector(cfg),
            tmp_path / 'm.onnx',
            pipeline=pipeline,
            classes=['a', 'b'],
        )
