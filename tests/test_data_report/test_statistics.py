import numpy as np
import pytest

from helpers.targets import ALONE, FLAT, OTHER_TWIN, STRIDE, TWIN, make_targets
from mmdet_centernet.data_report.statistics import (
    check_targets,
    collect,
    shares_cell,
)


def test_shared_cells_with_and_without_class():
    targets = make_targets([ALONE, TWIN, OTHER_TWIN, TWIN], [0, 1, 1, 2])
    assert shares_cell(targets, same_class=True).tolist() == [False, True, True, False]
    assert shares_cell(targets, same_class=False).tolist() == [False, True, True, True]


def test_dropped_boxes_share_no_cell():
    """Their rows are kept with the first cell as center."""
    targets = make_targets([(0, 0, 3, 3), FLAT, FLAT])
    assert not shares_cell(targets, same_class=False).any()


def slow_count(boxes, labels):
    """Counts objects that share a cell in a loop."""
    cells = [
        (label, int((x1 + x2) / 2 // STRIDE), int((y1 + y2) / 2 // STRIDE))
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True)
    ]
    return sum(cells.count(cell) > 1 for cell in cells)


def test_statistics_equal_a_slow_count():
    random = np.random.default_rng(0)
    images, shared, thin = [], 0, 0
    for _ in range(20):
        count = random.integers(0, 40)
        corners = random.integers(0, 60, (count, 2))
        sides = random.integers(1, 30, (count, 2))
        boxes = np.hstack([corners, corners + sides])
        labels = random.integers(0, 3, count)
        images.append(make_targets(boxes.tolist(), labels.tolist()))
        shared += slow_count(boxes, labels)
        thin += (sides.min(axis=1) < STRIDE).sum()
    statistics = collect(images)
    assert statistics.num_objects.sum() == len(statistics.sizes)
    assert statistics.shares_peak.sum() == shared > 0
    assert statistics.thin.sum() == thin > 0
    assert (statistics.num_dropped, statistics.num_clipped) == (0, 0)


def test_dropped_and_clipped_boxes_are_counted_apart():
    behind_the_last_cell = (126, 4, 128, 60)
    outside = (200, 200, 220, 220)
    targets = make_targets([ALONE, FLAT, outside, behind_the_last_cell])
    statistics = collect([targets])
    assert statistics.num_objects.tolist() == [1]
    assert (statistics.num_dropped, statistics.num_clipped) == (2, 1)
    assert (
        '2 boxes are not finite, have no area or lie outside the map after the'
        in (check_targets(statistics)[0])
    )


def test_too_small_input_is_a_finding():
    widths = np.linspace(1, 20, 40)
    boxes = np.array([(6 * i, 4, 6 * i + w, 60) for i, w in enumerate(widths)])
    (text,) = check_targets(collect([make_targets(boxes.tolist(), cells=80)]))
    assert text.startswith('17.5% of the objects are thinner than a cell')
    # After enlarging the input by this factor, 5 % remain.
    factor = float(text.split(' times')[0].split()[-1])
    larger = collect([make_targets((factor * boxes).tolist(), cells=200)])
    assert larger.thin.mean() == pytest.approx(0.05, abs=0.03)
    assert check_targets(larger) == []


def test_shared_cells_are_a_finding():
    (text,) = check_targets(collect([make_targets([ALONE, TWIN, OTHER_TWIN])]))
    assert text.startswith('66.7% of the objects share a cell')
    assert check_targets(collect([make_targets([ALONE, TWIN])])) == []


def test_images_whose_boxes_are_all_dropped_have_objects():
    (text,) = check_targets(collect([make_targets([FLAT])]))
    assert text.startswith('1 boxes are not finite, have no area')


def test_no_objects_are_a_finding():
    (text,) = check_targets(collect([make_targets([])]))
    assert 'no image has an object' in text
    with pytest.raises(ValueError, match='no image to count'):
        collect([])
