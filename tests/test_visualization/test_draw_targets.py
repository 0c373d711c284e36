import numpy as np
import torch
from mmdet.visualization import DetLocalVisualizer

from helpers.targets import ALONE, FLAT, OTHER_TWIN, STRIDE, THIN, TWIN, make_targets
from mmdet_centernet.codecs import paint_heatmap
from mmdet_centernet.data_report.statistics import collect, shares_cell
from mmdet_centernet.visualization.draw_targets import (
    DROPPED_COLOR,
    SHARED_CELL_COLOR,
    TrainingSample,
    draw_targets,
    gaussian_windows,
)
from mmdet_centernet.visualization.plot_summary import plot_summary
from mmdet_centernet.visualization.primitives import GROUND_TRUTH_COLOR


def test_windows_contain_the_gaussians():
    targets = make_targets([ALONE, THIN, (30, 60, 120, 120)], [0, 1, 2])
    heat = paint_heatmap(targets)[0]
    for label, (x1, y1, x2, y2) in enumerate(
        gaussian_windows(targets).astype(int).tolist()
    ):
        inside = heat[label, max(y1, 0) : y2, max(x1, 0) : x2]
        assert inside.min() > 0
        assert inside.sum() == heat[label].sum() > 0


def test_each_kind_of_box_has_its_color():
    boxes = torch.tensor([ALONE, TWIN, OTHER_TWIN, FLAT, (200, 8, 220, 20)]).float()
    labels = torch.tensor([0, 1, 1, 2, 9])
    targets = make_targets(boxes.tolist(), labels.tolist())
    regions = torch.tensor([[70.0, 70.0, 90.0, 90.0]])
    image = np.zeros((128, 128, 3), np.uint8)
    shared = shares_cell(targets, same_class=False)
    sample = TrainingSample('a.png', image, boxes, labels, regions, targets, shared)
    drawn = draw_targets(DetLocalVisualizer(), sample, ('a', 'b', 'c'), STRIDE)
    left = drawn[24:, :384].astype(int)
    for color, (x1, y1, x2, y2) in (
        (GROUND_TRUTH_COLOR, ALONE),
        (SHARED_CELL_COLOR, (40, 38, 52, 56)),
        (DROPPED_COLOR, (60, 8, 128, 30)),
    ):
        ys, xs = np.nonzero(np.abs(left - color).max(axis=2) < 70)
        assert xs.min() >= 3 * x1 - 12
        assert xs.max() <= 3 * x2 + 90  # labels are wider than narrow boxes
        assert ys.min() >= 3 * y1 - 12
        assert ys.max() <= 3 * y2 + 12
    assert drawn.shape == (24 + 384, 768, 3)


def test_plot_of_empty_and_crowded_data():
    crowded = collect([make_targets([ALONE, TWIN, OTHER_TWIN, THIN])])
    empty = collect([make_targets([])])
    for statistics in (crowded, empty):
        for classes in ({}, dict(a=0), {str(i): i for i in range(100)}):
            axes = plot_summary(
                statistics.num_objects,
                statistics.sizes,
                statistics.shares_peak,
                statistics.cells,
                classes,
            ).axes
            assert len(axes[2].patches) == min(len(classes), 80)
