import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.shared_data import load_golden
from mmdet_centernet.functional.gaussian import (
    count_cells,
    gaussian_cells,
    gaussian_radius,
)


def iou_after_shift(width, height, shift, case):
    """IoU of a box with one whose corners moved diagonally, straight from areas."""
    if case == 'in and out':
        inter = (width - shift) * (height - shift)
        return inter / (2 * width * height - inter)
    if case == 'both in':
        return (width - 2 * shift) * (height - 2 * shift) / (width * height)
    return width * height / ((width + 2 * shift) * (height + 2 * shift))


@pytest.mark.parametrize(
    ('suffix', 'overlap'), [('', 0.7), ('_overlap0.3', 0.3), ('_overlap0.5', 0.5)]
)
def test_official_radius_equals_golden_table(suffix, overlap):
    golden = load_golden('targets')
    side = golden['radius_sizes']
    heights, widths = np.meshgrid(side, side, indexing='ij')
    sizes = torch.tensor(np.stack([widths.ravel(), heights.ravel()], 1))
    radii = gaussian_radius(sizes, overlap, corrected=False)
    table = golden[f'radius_table_h_w{suffix}'].ravel()
    np.testing.assert_allclose(radii.numpy(), table, rtol=1e-9)


@given(
    st.floats(0.5, 200), st.floats(0.5, 200), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])
)
def test_corrected_radius_is_the_largest_shift_that_keeps_the_overlap(w, h, overlap):
    radius = float(gaussian_radius(torch.tensor([[w, h]]), overlap, corrected=True))
    cases = ['in and out', 'both in', 'both out']
    kept = [iou_after_shift(w, h, radius, case) for case in cases]
    assert min(kept) == pytest.approx(overlap, rel=1e-5)


@pytest.mark.parametrize(
    ('width', 'height', 'official', 'corrected', 'mmdet'),
    [
        (4, 4, 1, 0, 0),
        (10, 10, 2, 0, 2),
        (10, 20, 3, 1, 2),
        (64, 64, 17, 5, 14),
        (10, 100, 5, 1, 3),
        (128, 128, 34, 10, 28),
    ],
)
def test_table_of_the_docstring(width, height, official, corrected, mmdet):
    sizes = torch.tensor([[float(width), float(height)]])
    assert int(gaussian_radius(sizes, 0.7, corrected=False)) == official
    assert int(gaussian_radius(sizes, 0.7, corrected=True)) == corrected
    assert int(gaussian_radius(sizes, 0.3, corrected=True)) == mmdet


@pytest.mark.parametrize('radius', [0, 1, 2, 5, 20])
def test_gaussian_equals_golden_kernel(radius):
    kernel = load_golden('targets')[f'gaussian_r{radius}']
    side = 2 * radius + 1
    cells = gaussian_cells(
        torch.tensor([[radius, radius]]), torch.tensor([radius]), (side, side)
    )
    assert len(cells.values) == side * side
    np.testing.assert_allclose(
        cells.values.view(side, side).numpy(), kernel, rtol=0, atol=1e-6
    )


def paint_slowly(centers, radii, shape):
    """One map an object, cell by cell from the definition."""
    height, width = shape
    maps = np.zeros((len(centers), height, width))
    for number, ((cx, cy), radius) in enumerate(zip(centers, radii, strict=True)):
        sigma = (2 * radius + 1) / 6
        for y in range(height):
            for x in range(width):
                if radius >= 0 and abs(x - cx) <= radius and abs(y - cy) <= radius:
                    squared = (x - cx) ** 2 + (y - cy) ** 2
                    maps[number, y, x] = math.exp(-squared / (2 * sigma**2))
    return maps


@pytest.mark.parametrize('is_counted', [True, False])
@pytest.mark.parametrize(('shape', 'most'), [((7, 11), 9), ((23, 31), 3)])
def test_cells_equal_slow_painting_also_at_borders(is_counted, shape, most):
    generator = np.random.default_rng(0)
    centers = np.stack([generator.integers(0, side, 40) for side in shape[::-1]], 1)
    radii = generator.integers(-1, most + 1, 40)
    radii[0] = most
    tensors = torch.tensor(centers), torch.tensor(radii)
    num_cells = int(count_cells(*tensors, shape)) if is_counted else None
    cells = gaussian_cells(*tensors, shape, num_cells)
    painted = torch.zeros(40, *shape)
    painted.index_put_((cells.objects, cells.ys, cells.xs), cells.values)
    expected = paint_slowly(centers, radii, shape)
    np.testing.assert_allclose(painted.numpy(), expected, rtol=0, atol=1e-6)
    assert len(cells.values) == (expected > 0).sum()


def test_no_objects():
    none = torch.zeros((0, 2), dtype=torch.long)
    cells = gaussian_cells(none, torch.zeros(0, dtype=torch.long), (4, 4))
    assert len(cells.values) == 0
