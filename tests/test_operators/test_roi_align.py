"""RoIAlign in plain torch: a slow loop, gradcheck, compiled mmcv, torchvision."""

import itertools
import math

import pytest
import torch
from mmcv.ops import roi_align as mmcv_roi_align

from helpers.compiled_mmcv import needs_compiled, our_operators
from mmdet_centernet_operators import roi_align as operators
from mmdet_centernet_operators.kernels import torchvision_ops

each_mode = pytest.mark.parametrize('mode', ['avg', 'max'])
each_ratio = pytest.mark.parametrize('ratio', [0, 1, 2])
each_alignment = pytest.mark.parametrize('aligned', [True, False])


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Uses the samples of this package even if torchvision is installed."""
    monkeypatch.setattr(operators, 'torchvision_ops', lambda: None)


def draw(dtype=torch.float64):
    """Maps of stride 4 and regions of all kinds, some beyond the image."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 9, 12, generator=generator, dtype=dtype)
    rois = [
        [0, 2, 3, 30, 22],
        [1, -20, -9, 10, 11],
        [1, 30, 20, 90, 80],
        [0, 5, 5, 5, 5],  # no area
        [0, 0, 0, 48, 36],
        [1, 200, 200, 220, 230],  # wholly outside
        [1, 7.3, 1.2, 9.9, 31.7],
    ]
    return maps, torch.tensor(rois, dtype=dtype)


def read(plane, y, x):
    """A RoIAlign sample: the outermost cells extend by one cell."""
    height, width = len(plane), len(plane[0])
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = min(int(y), height - 2), min(int(x), width - 2)
    total = 0.0
    for row, column in itertools.product((y0, y0 + 1), (x0, x0 + 1)):
        total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row][column]
    return total


def slow_roi_align(maps, rois, bins, scale, ratio, mode, aligned):
    output = torch.zeros(len(rois), maps.shape[1], *bins, dtype=maps.dtype)
    planes = maps.tolist()
    for number, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (edge * scale - 0.5 * aligned for edge in box)
        sizes = [y2 - y1, x2 - x1]
        if not aligned:
            sizes = [max(size, 1) for size in sizes]
        steps = [size / number_of for size, number_of in zip(sizes, bins, strict=True)]
        counts = [ratio or math.ceil(step) for step in steps]
        for channel, *place in itertools.product(
            range(maps.shape[1]), *map(range, bins)
        ):
            places = [
                [
                    start + step * (index + (sample + 0.5) / count)
                    for sample in range(count)
                ]
                for start, step, index, count in zip(
                    (y1, x1), steps, place, counts, strict=True
                )
            ]
            values = [
                read(planes[int(image)][channel], y, x)
                for y, x in itertools.product(*places)
            ]
            if mode == 'max':
                output[(number, channel, *place)] = max(values, default=-10000)
            else:
                output[(number, channel, *place)] = sum(values) / max(len(values), 1)
    return output


@each_mode
@each_ratio
@each_alignment
def test_equals_a_loop(mode, ratio, aligned):
    maps, rois = draw()
    settings = ((2, 3), 0.25, ratio, mode, aligned)
    with our_operators():
        output = mmcv_roi_align(maps, rois, *settings)
    torch.testing.assert_close(output, slow_roi_align(maps, rois, *settings))


@each_mode
@each_ratio
def test_gradients(mode, ratio):
    maps, rois = draw()
    settings = ((2, 3), 0.25, ratio, mode, True)
    with our_operators():
        function = lambda maps: mmcv_roi_align(maps, rois, *settings)  # noqa: E731
        assert torch.autograd.gradcheck(function, maps.requires_grad_(), fast_mode=True)


@each_mode
def test_no_regions(mode):
    maps, rois = draw(torch.float32)
    with our_operators():
        output = mmcv_roi_align(maps, rois[:0], 7, 0.25, 0, mode, True)
    assert output.shape == (0, 3, 7, 7)


def test_regions_inside_out_are_refused():
    maps, _ = draw(torch.float32)
    roi = torch.tensor([[0.0, 9, 2, 3, 8]])
    with our_operators(), pytest.raises(ValueError, match='right or lower edge'):
        mmcv_roi_align(maps, roi, 2, 0.25, 0, 'avg', True)


def test_half_precision_keeps_its_dtype():
    maps, rois = draw(torch.float32)
    with our_operators():
        output = mmcv_roi_align(maps.half(), rois.half(), 2, 0.25, 2, 'avg', True)
        exact = mmcv_roi_align(maps.half().float(), rois, 2, 0.25, 2, 'avg', True)
    assert output.dtype == torch.float16
    torch.testing.assert_close(output.float(), exact, rtol=2e-2, atol=2e-2)


def assert_equal_outputs_and_gradients(settings):
    maps, rois = draw(torch.float32)
    maps.requires_grad_()
    expected = mmcv_roi_align(maps, rois, *settings)
    weights = torch.randn_like(expected)
    (expected_grad,) = torch.autograd.grad(expected, maps, weights)
    with our_operators():
        output = mmcv_roi_align(maps, rois, *settings)
        (grad,) = torch.autograd.grad(output, maps, weights)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=1e-5)


@needs_compiled
@each_mode
@each_ratio
@each_alignment
def test_equals_compiled_mmcv(mode, ratio, aligned):
    assert_equal_outputs_and_gradients(((2, 3), 0.25, ratio, mode, aligned))


@pytest.mark.skipif(torchvision_ops() is None, reason='no torchvision fits this torch')
@each_ratio
@each_alignment
def test_the_kernel_of_torchvision_gives_the_same(ratio, aligned, monkeypatch):
    maps, rois = draw()
    settings = ((2, 3), 0.25, ratio, 'avg', aligned)
    monkeypatch.setattr(operators, 'torchvision_ops', torchvision_ops)
    with our_operators():
        output = mmcv_roi_align(maps, rois, *settings)
    torch.testing.assert_close(output, slow_roi_align(maps, rois, *settings))
