"""Identities: there and back, a flipped object, maps one after another."""

import math

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS

import mmdet_centernet  # noqa: F401, registers properties

SHAPE = (24, 32)
ANGLE = dict(type='AngleProperty', key='a')
SCALAR = dict(type='ScalarProperty', key='s')
VECTOR = dict(type='VectorProperty', key='v')
PAIRS = [(0, 1), (3, 2)]
KINDS = {
    'scalar': SCALAR,
    'log': dict(SCALAR, scale='log'),
    'depth': dict(SCALAR, scale='inverse_sigmoid'),
    'length': dict(SCALAR, is_length=True),
    'vector': dict(VECTOR, num_channels=3),
    'motion': dict(VECTOR, is_displacement=True),
    'angle': ANGLE,
    'line': dict(ANGLE, period=180),
    'cross': dict(ANGLE, period=90),
    'joints': dict(type='KeypointsProperty', num_points=5, flip_pairs=PAIRS),
}
FLIP = torch.tensor([[-1.0, 0, SHAPE[1]], [0, 1, 0], [0, 0, 1]])
"""The left border of a map becomes the right one, as in mmdet's flip."""


def build(kind):
    return TASK_UTILS.build(dict(KINDS[kind]))


def draw(prop, count=50, seed=0):
    """Values that the property allows, and cells of a map."""
    random = torch.Generator().manual_seed(seed)
    values = torch.rand(count, *prop.row_shape, generator=random) * 20 + 1
    values %= getattr(prop, 'period', 100)
    xs, ys = (torch.randint(side, (count,), generator=random) for side in SHAPE[::-1])
    return values, torch.stack([xs, ys], dim=1)


def equal(prop, found, expected, atol=1e-4):
    """Values; angles are the same after their period."""
    assert found.shape == expected.shape
    period = getattr(prop, 'period', None)
    difference = found - expected
    if period is not None:
        difference -= period * (difference / period).round()
    torch.testing.assert_close(difference, torch.zeros_like(found), atol=atol, rtol=0)


def as_map(encoded):
    """(P, D) as a map with one column a cell, which is in its place already."""
    return encoded.T[None, :, None]


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_encoded_is_decoded(kind):
    prop = build(kind)
    values, cells = draw(prop)
    encoded = prop.encode(values, cells, SHAPE)
    assert encoded.shape == (50, prop.channels)
    equal(prop, prop.decode(encoded, cells), values)
    # Batches as well.
    found = prop.decode(encoded.view(5, 10, -1), cells.view(5, 10, 2))
    equal(prop, found.flatten(0, 1), values)


@pytest.mark.parametrize('kind', KINDS)
def test_flipped_maps_of_a_flipped_object_are_those_of_the_object(kind):
    prop = build(kind)
    values, cells = draw(prop)
    flipped = prop.transform(values, FLIP)
    flipped_cells = cells.clone()
    flipped_cells[:, 0] = SHAPE[1] - 1 - cells[:, 0]
    maps, expected = (
        as_map(prop.encode(*objects, SHAPE))
        for objects in ((flipped, flipped_cells), (values, cells))
    )
    if kind == 'joints':
        assert not torch.equal(flipped[:, 0], flipped_without_pairs(values)[:, 0])
    torch.testing.assert_close(prop.flip(maps), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(prop.flip(prop.flip(maps)), maps, atol=1e-5, rtol=0)
    merged = prop.merge_flipped(expected, maps)
    torch.testing.assert_close(merged, expected, atol=1e-4, rtol=0)


def flipped_without_pairs(points):
    return torch.stack([SHAPE[1] - points[..., 0], points[..., 1]], dim=-1)


def random_matrices(count, seed=0):
    """Affine maps, about half of which flip."""
    random = np.random.default_rng(seed)
    matrices = np.tile(np.eye(3), (count, 1, 1))
    matrices[:, :2] += random.normal(0, 1, (count, 2, 3))
    return torch.tensor(matrices)


@pytest.mark.parametrize('kind', KINDS)
def test_maps_may_be_taken_one_after_another(kind):
    """For angles that look the same sooner than after half a turn shear must not."""
    prop = build(kind)
    values = draw(prop)[0].double()
    pairs = zip(random_matrices(8), random_matrices(8, seed=1), strict=True)
    for first, second in pairs:
        if kind == 'cross':
            first, second = turning(first), turning(second)
        found = prop.transform(prop.transform(values, first), second)
        equal(prop, found, prop.transform(values, second @ first))
        equal(
            prop, prop.transform(prop.transform(values, first), first.inverse()), values
        )
        assert not torch.equal(found, values) or kind in (
            'scalar',
            'log',
            'depth',
            'vector',
        )
    equal(prop, prop.transform(values, torch.eye(3)), values)


def turning(matrix):
    """A map that turns, scales and maybe flips, without shear."""
    x, y = matrix[0, :2].tolist()
    sign = float(torch.linalg.det(matrix).sign())
    matrix = matrix.clone()
    matrix[:2, :2] = torch.tensor([[x, -y * sign], [y, x * sign]])
    return matrix


@pytest.mark.parametrize('kind', KINDS)
def test_images_of_a_batch_have_their_own_maps(kind):
    prop = build(kind)
    values, matrices = draw(prop)[0].view(5, 10, *prop.row_shape), random_matrices(5)
    found = prop.transform(values, matrices)
    assert found.dtype == values.dtype
    for one, value, matrix in zip(found, values, matrices, strict=True):
        torch.testing.assert_close(one, prop.transform(value, matrix))


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_not_labeled_stays_so(kind):
    prop = build(kind)
    values, cells = draw(prop, count=4)
    values[1] = torch.nan
    moved = prop.transform(values, random_matrices(1)[0])
    for found in (prop.encode(values, cells, SHAPE), moved, prop.error(moved, values)):
        rows = found.reshape(4, -1).isnan()
        assert rows[1].all()
        assert not rows[[0, 2, 3]].any()
    assert torch.isnan(torch.from_numpy(prop.read(None))).all()
    assert prop.read(None).shape == prop.row_shape


@pytest.mark.parametrize('kind', KINDS)
def test_errors_are_distances(kind):
    prop = build(kind)
    values, others = draw(prop)[0], draw(prop, seed=1)[0]
    errors = prop.error(others, values)
    assert errors.shape == (50,)
    assert (errors >= 0).all()
    torch.testing.assert_close(errors, prop.error(values, others), atol=1e-4, rtol=0)
    assert prop.error(values, values).abs().max() == 0


@pytest.mark.parametrize('kind, period', [('angle', 360), ('line', 180), ('cross', 90)])
def test_angles_are_apart_by_half_a_period_at_most(kind, period):
    prop = build(kind)
    one, other = (
        torch.tensor([1.0, 350, 10, 700]),
        torch.tensor([period - 1.0, 10, 0, 0]),
    )
    expected = [
        abs(math.remainder(a - b, period))
        for a, b in zip(one.tolist(), other.tolist(), strict=True)
    ]
    torch.testing.assert_close(prop.error(one, other), torch.tensor(expected))
    assert expected[0] == 2
    found = prop.decode(prop.encode(one, torch.zeros(4, 2), SHAPE), torch.zeros(4, 2))
    assert ((found >= 0) & (found < period)).all()


def test_directions_are_seen_in_the_image():
    """A quarter turn clockwise as seen, y pointing down: 0 degrees become 90."""
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    found = build('angle').transform(torch.tensor([0.0, 90]), quarter)
    torch.testing.assert_close(found, torch.tensor([90.0, 180]))
    found = build('angle').transform(torch.tensor([30.0, 200]), FLIP)
    torch.testing.assert_close(found, torch.tensor([150.0, 340]))
    found = build('length').transform(
        torch.tensor([3.0]), torch.diag(torch.tensor([4.0, 9, 1]))
    )
    torch.testing.assert_close(found, torch.tensor([18.0]))


def test_outputs_become_encoded_values():
    maps = torch.linspace(-4, 4, 9).view(1, 1, 3, 3)
    depths = 1 / (1 / (1 + (-maps).exp()) + 1e-6) - 1  # the official formula
    torch.testing.assert_close(build('depth').activate(maps), depths)
    unit = TASK_UTILS.build(dict(VECTOR, unit=16.0))
    assert torch.equal(unit.activate(maps), 16 * maps)


def test_points_outside_the_map_are_not_learned():
    prop = TASK_UTILS.build(dict(type='KeypointsProperty', num_points=3))
    points = torch.tensor(
        [[[0.0, 0], [31.9, 23.9], [32, 3]], [[-0.1, 3], [3, 24], [5, 5]]]
    )
    encoded = prop.encode(points, torch.zeros(2, 2), SHAPE).view(2, 3, 2)
    assert encoded.isnan().all(dim=-1).tolist() == [
        [False, False, True],
        [True, True, False],
    ]


@pytest.mark.parametrize('pairs', [[(0, 5)], [(0, 1), (1, 2)], [(2, 2)]])
def test_pairs_that_make_no_sense_are_refused(pairs):
    with pytest.raises(ValueError, match='each of the points 0 to 4'):
        TASK_UTILS.build(dict(KINDS['joints'], flip_pairs=pairs))


@pytest.mark.parametrize(
    'config, message',
    [
        (dict(SCALAR, scale='square'), "scale is 'square'"),
        (dict(VECTOR, num_channels=3, is_displacement=True), 'a displacement has 2'),
        (dict(VECTOR, num_channels=0), 'num_channels is 0'),
        (dict(ANGLE, period=0), 'period is 0'),
        (dict(SCALAR, unit=-1), 'unit is -1'),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        TASK_UTILS.build(config)
