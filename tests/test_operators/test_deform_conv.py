"""Deformable convolutions in plain torch: a slow loop, gradcheck, compiled mmcv."""

import itertools
import math

import pytest
import torch
from mmcv.ops import deform_conv2d as mmcv_dcn_v1
from mmcv.ops import modulated_deform_conv2d as mmcv_dcn_v2

from helpers.compiled_mmcv import needs_compiled, our_operators
from mmdet_centernet_operators import deform_conv as operators
from mmdet_centernet_operators import kernels
from mmdet_centernet_operators.deform_conv import Geometry, Inputs, deform_conv2d

SQUARE = Geometry((1, 1), (1, 1), (1, 1), 1, 1)
GEOMETRIES = {
    'square': SQUARE,
    'stride': SQUARE._replace(stride=(2, 1)),
    'padding': SQUARE._replace(padding=(0, 2)),
    'dilation': SQUARE._replace(dilation=(2, 3)),
    'groups': SQUARE._replace(groups=2),
    'deform groups': SQUARE._replace(deform_groups=3),
    'all': Geometry((2, 2), (2, 1), (1, 2), 3, 2),
}
each_geometry = pytest.mark.parametrize(
    'geometry', list(GEOMETRIES.values()), ids=list(GEOMETRIES)
)


def draw(geometry, *, kernel=(3, 3), size=(7, 9), spread=3.0, dtype=torch.float64):
    """Random inputs; with a spread of 0 every tap is on a cell or a border."""
    generator = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(shape, generator=generator, dtype=dtype)  # noqa: E731
    out = [
        (length + 2 * padding - dilation * (side - 1) - 1) // stride + 1
        for length, padding, dilation, side, stride in zip(
            size,
            geometry.padding,
            geometry.dilation,
            kernel,
            geometry.stride,
            strict=True,
        )
    ]
    taps = kernel[0] * kernel[1] * geometry.deform_groups
    offset = spread * normal(2, 2 * taps, *out)
    mask = normal(2, taps, *out).sigmoid()
    weight = normal(6, 6 // geometry.groups, *kernel)
    return Inputs(normal(2, 6, *size), offset, mask, weight, normal(6))


def read(plane, y, x):
    """Bilinear, with zeros outside, one number at a time."""
    total = 0.0
    for row, column in itertools.product((0, 1), (0, 1)):
        cell_y, cell_x = math.floor(y) + row, math.floor(x) + column
        if 0 <= cell_y < len(plane) and 0 <= cell_x < len(plane[0]):
            share = (1 - abs(y - cell_y)) * (1 - abs(x - cell_x))
            total += share * plane[cell_y][cell_x]
    return total


def slow_deform_conv(inputs, geometry):
    """Equation 1 of the paper, in loops over numbers."""
    x, offset, mask, weight, bias = (one.tolist() for one in inputs)
    groups, deform_groups = geometry.groups, geometry.deform_groups
    channels, kernel = inputs.x.shape[1], inputs.weight.shape[2:]
    output = torch.zeros(len(x), len(weight), *inputs.offset.shape[2:])
    for image, out, row, column in itertools.product(*map(range, output.shape)):
        total = bias[out]
        first = out // (len(weight) // groups) * (channels // groups)
        for inner, i, j in itertools.product(
            range(channels // groups), *map(range, kernel)
        ):
            tap = i * kernel[1] + j
            group = (first + inner) // (channels // deform_groups)
            index = group * kernel.numel() + tap
            moved = [offset[image][2 * index + axis][row][column] for axis in (0, 1)]
            y, x_place = (
                cell * stride - padding + step * dilation + move
                for cell, stride, padding, step, dilation, move in zip(
                    (row, column),
                    *geometry[:2],
                    (i, j),
                    geometry.dilation,
                    moved,
                    strict=True,
                )
            )
            seen = read(x[image][first + inner], y, x_place)
            total += weight[out][inner][i][j] * mask[image][index][row][column] * seen
        output[image, out, row, column] = total
    return output


@each_geometry
def test_equals_a_loop_over_numbers(geometry):
    inputs = draw(geometry, kernel=(2, 3), size=(5, 6))
    expected = slow_deform_conv(inputs, geometry)
    torch.testing.assert_close(deform_conv2d(inputs, geometry).float(), expected)


@each_geometry
def test_gradients(geometry):
    inputs = [one.requires_grad_() for one in draw(geometry, size=(4, 5))]
    function = lambda *tensors: deform_conv2d(Inputs(*tensors), geometry)  # noqa: E731
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


def test_gradients_of_the_plain_convolution():
    inputs = draw(SQUARE, size=(4, 5))
    inputs = [inputs.x, inputs.offset, inputs.weight]
    function = lambda x, offset, weight: deform_conv2d(  # noqa: E731
        Inputs(x, offset, None, weight, None), SQUARE
    )
    tensors = [one.requires_grad_() for one in inputs]
    assert torch.autograd.gradcheck(function, tensors, fast_mode=True)


@pytest.mark.parametrize('needed', range(5))
def test_gradient_of_one_input_alone(needed):
    tensors = [*draw(SQUARE)]
    everything = [one.clone().requires_grad_() for one in tensors]
    deform_conv2d(Inputs(*everything), SQUARE).square().sum().backward()
    tensors[needed].requires_grad_()
    deform_conv2d(Inputs(*tensors), SQUARE).square().sum().backward()
    torch.testing.assert_close(tensors[needed].grad, everything[needed].grad)


def test_without_offsets_it_is_a_convolution():
    inputs = draw(SQUARE)
    inputs = inputs._replace(
        offset=torch.zeros_like(inputs.offset), mask=torch.ones_like(inputs.mask)
    )
    expected = torch.conv2d(inputs.x, inputs.weight, inputs.bias, padding=1)
    torch.testing.assert_close(deform_conv2d(inputs, SQUARE), expected)
    plain = inputs._replace(mask=None)
    torch.testing.assert_close(deform_conv2d(plain, SQUARE), expected)


@pytest.mark.parametrize('place', [1e30, -1e30, math.inf, -math.inf])
def test_taps_far_outside_see_zeros(place):
    inputs = draw(SQUARE, dtype=torch.float32)
    inputs = inputs._replace(offset=torch.full_like(inputs.offset, place))
    output = deform_conv2d(inputs, SQUARE)
    expected = inputs.bias[None, :, None, None].expand_as(output)
    torch.testing.assert_close(output, expected)


def test_an_offset_that_is_no_number_spoils_its_own_output_alone():
    inputs = draw(SQUARE)
    expected = deform_conv2d(inputs, SQUARE)
    inputs.offset[0, 3, 2, 4] = math.nan
    output = deform_conv2d(inputs, SQUARE)
    assert output[0, :, 2, 4].isnan().all()
    output[0, :, 2, 4] = expected[0, :, 2, 4]
    torch.testing.assert_close(output, expected)


def test_no_images():
    inputs = draw(SQUARE)
    none = inputs._replace(
        x=inputs.x[:0], offset=inputs.offset[:0], mask=inputs.mask[:0]
    )
    none.weight.requires_grad_()
    output = deform_conv2d(none, SQUARE)
    assert output.shape == (0, 6, 7, 9)
    output.sum().backward()
    assert not none.weight.grad.any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_at_the_end_alone(dtype):
    inputs = Inputs(*(one.to(dtype) for one in draw(SQUARE)))
    exact = deform_conv2d(Inputs(*(one.double() for one in inputs)), SQUARE)
    output = deform_conv2d(inputs, SQUARE)
    assert output.dtype == dtype
    torch.testing.assert_close(
        output.double(), exact, rtol=torch.finfo(dtype).eps, atol=0
    )


def test_autocast_changes_nothing_but_the_dtype():
    inputs = draw(SQUARE, dtype=torch.float32)
    half = inputs._replace(offset=inputs.offset.bfloat16())
    half.weight.requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        output = deform_conv2d(half, SQUARE)
        output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert half.weight.grad.dtype == torch.float32
    same = half._replace(offset=half.offset.float())
    torch.testing.assert_close(output, deform_conv2d(same, SQUARE).bfloat16())


@each_geometry
def test_the_kernel_of_torchvision_gives_the_same(geometry, monkeypatch):
    if kernels.torchvision_ops() is None:
        pytest.skip('there is no torchvision that fits this torch')
    tensors = [one.requires_grad_() for one in draw(geometry)]
    ours = deform_conv2d(Inputs(*tensors), geometry)
    monkeypatch.setattr(operators, '_torchvision_is_faster', lambda x: True)
    theirs = deform_conv2d(Inputs(*tensors), geometry)
    torch.testing.assert_close(ours, theirs)
    for our, their in zip(
        torch.autograd.grad(ours.square().sum(), tensors),
        torch.autograd.grad(theirs.square().sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(our, their)


def relative_error(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def assert_equals_mmcv(function, tensors):
    """Outputs and gradients of a function of mmcv with both sets of operators."""
    tensors = [one.clone().requires_grad_() for one in tensors]
    expected = function(*tensors)
    weights = torch.randn_like(expected)
    with our_operators():
        output = function(*tensors)
        grads = torch.autograd.grad(output, tensors, weights)
    assert relative_error(output, expected) < 1e-5
    for ours, theirs in zip(
        grads, torch.autograd.grad(expected, tensors, weights), strict=True
    ):
        assert relative_error(ours, theirs) < 1e-5


# Spread 0 puts taps exactly on cells and on the border, as at the start of a training.
each_spread = pytest.mark.parametrize('spread', [0, 0.4, 3, 40])


@needs_compiled
@each_spread
@each_geometry
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_compiled_mmcv(geometry, spread, dtype):
    inputs = draw(geometry, spread=spread, dtype=dtype)
    assert_equals_mmcv(lambda *tensors: mmcv_dcn_v2(*tensors, *geometry), inputs)


@needs_compiled
@each_spread
@each_geometry
def test_equals_compiled_mmcv_without_a_mask(geometry, spread):
    inputs = draw(geometry, spread=spread, dtype=torch.float32)
    tensors = (inputs.x, inputs.offset, inputs.weight)
    assert_equals_mmcv(lambda *tensors: mmcv_dcn_v1(*tensors, *geometry), tensors)
