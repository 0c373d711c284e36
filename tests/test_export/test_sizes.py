"""Graphs for all sizes and batches, and graphs of a fixed size."""

import numpy as np
import onnx
import pytest
import torch
from mmdet.utils import get_test_pipeline_cfg

from helpers.exported import in_mmdet, in_onnxruntime, lively_detector, small_config
from mmdet_centernet.export import describe_pipeline, export_onnx

# Traced on 64 x 64, 256 cells a class.
SIZES = [(32, 32), (32, 96), (64, 64), (96, 128), (160, 192)]


@pytest.fixture
def export(tmp_path):
    """Exports a narrow network of so many classes; returns it and the file."""

    def run(num_classes=3, topk=100, change=None, backbone=None, **options):
        cfg = small_config('r18_fpn')
        cfg.model.backbone.base_channels = 8
        cfg.model.neck.in_channels = [8, 16, 32, 64]
        if backbone is not None:
            cfg.model.backbone, cfg.model.neck = backbone, swin_neck()
            cfg.model.bbox_head.update(feat_level=0, in_channels=16)
        cfg.model.bbox_head.num_classes = num_classes
        cfg.model.test_cfg.topk = topk
        detector = lively_detector(cfg)
        if change is not None:
            detector.bbox_head.wh_head.append(change)
        path = tmp_path / 'model.onnx'
        exported = export_onnx(
            detector,
            path,
            pipeline=describe_pipeline(get_test_pipeline_cfg(cfg)),
            classes=[str(i) for i in range(num_classes)],
            normalize=True,
            **options,
        )
        return detector, path, exported

    return run


def swin():
    return dict(
        type='SwinTransformer',
        embed_dims=24,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 3, 4],
    )


def swin_neck():
    channels = [24, 48, 96, 192]
    return dict(type='PAFPN', in_channels=channels, out_channels=16, num_outs=4)


def noise(batch, height, width):
    shape = (batch, height, width, 3)
    return np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)


def assert_equal(path, detector, images):
    """Each image has the same detections as in mmdet."""
    pairs = zip(in_onnxruntime(path, images), in_mmdet(detector, images), strict=True)
    for ours, theirs in pairs:
        boxes, scores, labels = (part.numpy() for part in theirs)
        assert ours[1].shape == scores.shape
        np.testing.assert_allclose(ours[1], scores, rtol=0, atol=1e-4)
        apart = np.abs(np.diff(scores, prepend=2, append=-1)) > 1e-4
        settled = (scores > 0) & apart[1:] & apart[:-1]  # no rounding error swaps them
        assert settled.sum() >= 0.5 * (scores > 0).sum()
        np.testing.assert_allclose(ours[0][settled], boxes[settled], rtol=0, atol=0.01)
        np.testing.assert_array_equal(ours[2][settled], labels[settled])


@pytest.mark.parametrize(
    ('num_classes', 'topk'), [(1, 100), (1, 300), (3, 100), (3, 2000)]
)
def test_fewer_and_more_cells_than_topk(num_classes, topk, export):
    detector, path, exported = export(num_classes, topk)
    for batch in (1, 3):
        for height, width in SIZES:
            assert_equal(path, detector, noise(batch, height, width))
    padded = [(-(-h // 32) * 8, -(-w // 32) * 8) for _, h, w in exported.inputs]
    assert max(num_classes * rows * columns for rows, columns in padded) > topk


@pytest.mark.parametrize('topk', [100, 2000])
@pytest.mark.parametrize('size', [(32, 32), (96, 160)])
def test_static(size, topk, export):
    detector, path, exported = export(1, topk, static=size)
    assert exported.inputs == ((1, *size),)
    assert_equal(path, detector, noise(1, *size))
    (images,) = onnx.load(path).graph.input
    sides = [side.dim_value for side in images.type.tensor_type.shape.dim]
    assert sides == [1, *size, 3]


def test_sides_that_the_network_pads(export, tmp_path):
    with pytest.raises(ValueError, match=r'multiples of 32, such as --static 64 128'):
        export(static=(33, 128))
    with pytest.raises(ValueError, match=r'multiples of 32, such as --static 32 128'):
        export(static=(0, 128))
    assert not list(tmp_path.iterdir())


class FrozenSize(torch.nn.Module):
    def forward(self, x):
        return x + torch.zeros(int(x.shape[2]), int(x.shape[3]))


class FrozenView(torch.nn.Module):
    """Fixes the size when traced, as the windows of mmdet's Swin do."""

    def forward(self, x):
        return x.flatten(1).view(int(x.shape[0]), x.shape[1], -1, x.shape[3])


def test_a_frozen_size_is_named(export, tmp_path):
    with pytest.raises(
        ValueError, match=r'fixes the size of the image .*--static HEIGHT'
    ):
        export(change=FrozenSize())
    assert not list(tmp_path.iterdir())
    detector, path, _ = export(change=FrozenSize(), static=(96, 64))
    assert_equal(path, detector, noise(1, 96, 64))


def test_a_frozen_batch_is_named(export, tmp_path):
    with pytest.raises(
        ValueError, match=r'fixes the number of images .*--static HEIGHT'
    ):
        export(change=FrozenView())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_swin(export, tmp_path):
    with pytest.raises(
        ValueError, match=r'SwinTransformer.* fixes the number of images'
    ):
        export(backbone=swin())
    assert not list(tmp_path.iterdir())
    detector, path, _ = export(backbone=swin(), static=(96, 128))
    assert_equal(path, detector, noise(1, 96, 128))


def test_a_number_of_detections_that_is_frozen(export, tmp_path, monkeypatch):
    """Fixes k when traced."""
    monkeypatch.setattr(
        'mmdet_centernet.functional.peaks._at_most',
        lambda k, length: min(k, int(length)),
    )
    with pytest.raises(ValueError, match=r'1 image of 16 x 16: the graph does not run'):
        export(num_classes=1)
    monkeypatch.setattr(
        'mmdet_centernet.functional.peaks._at_most', lambda k, length: min(k, 60)
    )
    with pytest.raises(ValueError, match=r'detections are \(1, 60\), not \(1, 64\)'):
        export(num_classes=1)
    assert not list(tmp_path.iterdir())
