"""Test pipelines as steps. The tests of predict_onnx compare their results."""

import pytest
from mmdet.datasets.transforms import LoadAnnotations, Resize
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from torch import nn

from helpers.crop_pad import center_crop_pad
from helpers.tiny import config_paths
from mmdet_centernet import export
from mmdet_centernet.export import describe_pipeline, find_pipeline

LOAD = dict(type='LoadImageFromFile')
FLOAT = dict(type='LoadImageFromFile', to_float32=True)
RESIZE = dict(type='Resize', scale=(320, 240), keep_ratio=True)
CROP_PAD = center_crop_pad(31)


@pytest.mark.parametrize('path', config_paths(), ids=lambda path: path.stem)
def test_every_shipped_config(path):
    steps = describe_pipeline(get_test_pipeline_cfg(Config.fromfile(path)))
    assert steps.dtype == 'uint8'
    assert [name for name, _ in steps.steps] in (
        [],
        ['resize'],
        ['center_pad'],
        ['center_fit'],
    )


@pytest.mark.parametrize(
    ('pipeline', 'multiple', 'dtype'),
    [
        ([LOAD], 1, 'uint8'),
        ([FLOAT, CROP_PAD], 32, 'uint8'),
        ([FLOAT, RESIZE], 1, 'float32'),
        ([FLOAT, RESIZE, CROP_PAD], 32, 'float32'),
        ([LOAD, dict(type='CenterAffine', pad=127)], 128, 'uint8'),
    ],
)
def test_multiple_and_dtype(pipeline, multiple, dtype):
    steps = describe_pipeline(pipeline)
    assert (steps.multiple, steps.dtype) == (multiple, dtype)


@pytest.mark.parametrize(
    ('transform', 'message'),
    [
        (dict(type='RandomFlip', prob=1.0), 'has a RandomFlip'),
        (dict(RESIZE, type='FixScaleResize'), 'has a FixScaleResize'),
        (dict(RESIZE, interpolation='area'), "interpolation='area'"),
        (dict(RESIZE, backend='pillow'), "backend='pillow'"),
        (dict(type='CenterAffine', pad=31, scale=0.5), r'scale=0\.5'),
        (dict(CROP_PAD, test_pad_add_pix=0), 'test_pad_add_pix=0'),
        (dict(CROP_PAD, mean=[1, 2, 3]), r'mean=\[0, 0, 0\]'),
        (dict(CROP_PAD, test_pad_mode=['size_divisor', 32]), 'logical_or'),
        (dict(LOAD, color_type='grayscale'), "color_type='grayscale'"),
    ],
)
def test_unsupported_transforms_are_refused(transform, message):
    with pytest.raises(ValueError, match=message):
        describe_pipeline([LOAD, transform])


def test_transforms_of_properties_do_not_change_images():
    steps = dict(type='LoadProperties', properties={}), dict(type='PackPropertyInputs')
    assert describe_pipeline([LOAD, RESIZE, *steps]) == describe_pipeline(
        [LOAD, RESIZE]
    )


@pytest.mark.parametrize('kinds', [('mmdet.LoadAnnotations',), (LoadAnnotations,)])
def test_types_with_a_scope_or_imported(kinds):
    """Types as in lazy configs."""
    pipeline = [LOAD, dict(RESIZE, type=Resize), *(dict(type=kind) for kind in kinds)]
    assert describe_pipeline(pipeline) == describe_pipeline([LOAD, RESIZE])


def test_the_pipeline_of_a_wrapped_dataset():
    wrapped = dict(datasets=[dict(dataset=dict(pipeline=[LOAD]))])
    assert find_pipeline(Config(dict(val_dataloader=dict(dataset=wrapped)))) == [LOAD]
    bare = dict(test_dataloader=dict(dataset=dict()), test_pipeline=[LOAD, RESIZE])
    assert find_pipeline(Config(bare)) == [LOAD, RESIZE]


def test_former_names_warn(tmp_path):
    with pytest.warns(DeprecationWarning, match='PipelineSteps'):
        assert export.View is export.PipelineSteps
    with (
        pytest.warns(DeprecationWarning, match='pipeline'),
        pytest.raises(TypeError, match='CTDetHead'),
    ):
        export.export_onnx(
            nn.Identity(), tmp_path, view=describe_pipeline([LOAD]), classes=['a']
        )
