import cv2
import numpy as np
import pytest
import torch
from mmdet.models import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from helpers.heads import make_head
from mmdet_centernet.visualization.draw_heatmaps import draw_heatmaps
from mmdet_centernet.visualization.heatmap_figure import HeatmapFigure, figure_of_file
from mmdet_centernet.visualization.image_space import recover_image, warp_heatmap
from mmdet_centernet.visualization.primitives import (
    CAPTION_HEIGHT,
    DETECTION_COLOR,
    GROUND_TRUTH_COLOR,
    blend_heatmap,
    mark_centers,
)


def bump(shape, cell):
    """A heatmap with one hot cell (x, y)."""
    heatmap = np.zeros(shape, np.float32)
    heatmap[cell[1], cell[0]] = 1
    return heatmap


def middle_of_heat(heatmap):
    """Center of mass in continuous pixels (pixel i covers i to i + 1)."""
    ys, xs = np.indices(heatmap.shape) + 0.5
    return np.array([(heatmap * xs).sum(), (heatmap * ys).sum()]) / heatmap.sum()


def test_a_center_outside_the_image_moves_nothing():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 90
    outside = np.array([[100.0, 10, 140, 30]])
    marked = mark_centers(DetLocalVisualizer(), image, outside)
    np.testing.assert_array_equal(marked, image)


@pytest.mark.parametrize(
    ('geometry', 'middle'),
    [
        ({}, (22, 14)),
        (dict(scale_factor=(0.5, 0.25)), (44, 56)),
        (dict(border=[6, 70, 10, 74]), (12, 8)),
        (
            # Flipped in a network input 100 pixels wide, then moved up by 2.
            dict(homography_matrix=np.array([[-1, 0, 100], [0, 1, -2], [0, 0, 1.0]])),
            (78, 16),
        ),
    ],
)
def test_heatmaps_are_warped_to_the_image(geometry, middle):
    meta = dict(ori_shape=(120, 160), **geometry)
    spread = warp_heatmap(bump((32, 32), cell=(5, 3)), meta, stride=4)
    assert spread.shape == (120, 160)
    np.testing.assert_allclose(middle_of_heat(spread), middle, atol=0.05)


@pytest.mark.parametrize(
    'geometry',
    [
        {},
        dict(scale_factor=(0.5, 0.8)),
        dict(border=[6, 70, 10, 74]),
        dict(homography_matrix=np.array([[-0.7, 0, 112], [0, 0.7, 4], [0, 0, 1.0]])),
    ],
)
def test_targets_of_test_images_lie_on_their_boxes(tmp_path, geometry):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), np.zeros((120, 160, 3), np.uint8))
    meta = dict(img_path=str(path), ori_shape=(120, 160), **geometry)
    sample = DetDataSample(metainfo=meta)
    sample.gt_instances = boxes((60, 40, 100, 70))
    sample.pred_instances = boxes(scores=torch.ones(0))
    head = make_head(num_classes=1)
    channels = dict(heatmap=1, wh=2, offset=2)
    maps = {name: torch.zeros(1, count, 32, 32) for name, count in channels.items()}
    figure = figure_of_file(head, sample, maps)
    # A target peak is the middle of a cell, at most half a cell away.
    np.testing.assert_allclose(middle_of_heat(figure.target), (80, 55), atol=4.5)
    assert figure.heatmap.max() == 0.5


@pytest.mark.parametrize(
    'statistics', [{}, dict(mean=[90, 100, 110], std=[60, 50, 40])]
)
@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_normalization_is_undone(statistics, bgr_to_rgb):
    bgr = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    preprocessor = DetDataPreprocessor(**statistics, bgr_to_rgb=bgr_to_rgb)
    pixels = preprocessor(dict(inputs=[bgr], data_samples=None))['inputs'][0]
    rgb = bgr.flip(0).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(recover_image(pixels, preprocessor), rgb)


def test_blending_shows_the_image_outside_peaks():
    image = np.full((8, 8, 3), 100, np.uint8)
    blended = blend_heatmap(image, bump((8, 8), cell=(2, 1)))
    assert blended.dtype == np.uint8
    cold = blended[5, 5]
    assert cold[0] == cold[1] == cold[2] == 40
    assert np.ptp(blended[1, 2].astype(int)) > 50  # a color


def boxes(*corners, **fields):
    return InstanceData(
        bboxes=torch.tensor(corners, dtype=torch.float).reshape(-1, 4),
        labels=torch.zeros(len(corners), dtype=torch.long),
        **fields,
    )


@pytest.fixture
def visualizer():
    visualizer = DetLocalVisualizer()
    visualizer.dataset_meta = dict(classes=('square', 'disc'))
    return visualizer


def lines_of(panel, color):
    """x1, y1, x2, y2 of the lines of a color in a panel, or None."""
    distance = np.abs(panel[CAPTION_HEIGHT:].astype(int) - color).max(axis=2)
    # Text has the same color, but its lines are short.
    lines = (distance < 60).astype(np.uint8)
    columns = np.nonzero(lines.sum(axis=0) > 60)[0]
    rows = np.nonzero(lines.sum(axis=1) > 60)[0]
    if len(columns):
        return columns.min(), rows.min(), columns.max(), rows.max()
    return None


def panels(image):
    """Splits a visualization: objects above, heatmaps below."""
    return [np.hsplit(row, 2) for row in np.vsplit(image, 2)]


def cold(*shape):
    return np.zeros(shape, np.float32)


def test_ground_truth_and_detections_are_in_their_panels(visualizer):
    figure = HeatmapFigure(
        np.zeros((128, 192, 3), np.uint8),
        bump((128, 192), cell=(150, 60)),
        boxes((100, 30, 150, 100), scores=torch.tensor([0.9])),
        bump((128, 192), cell=(20, 60)),
        boxes((10, 20, 60, 90)),
    )
    image = draw_heatmaps(visualizer, figure)
    assert image.shape == (2 * (CAPTION_HEIGHT + 3 * 128), 2 * 3 * 192, 3)
    (truth, found), heats = panels(image)
    np.testing.assert_allclose(
        lines_of(truth, GROUND_TRUTH_COLOR), (30, 60, 180, 270), atol=3
    )
    np.testing.assert_allclose(
        lines_of(found, DETECTION_COLOR), (300, 90, 450, 300), atol=3
    )
    assert (
        lines_of(truth, DETECTION_COLOR) is lines_of(found, GROUND_TRUTH_COLOR) is None
    )
    for panel, x in zip(heats, (20, 150), strict=True):
        colorful = np.ptp(panel[CAPTION_HEIGHT:].astype(int), axis=2) > 50
        np.testing.assert_allclose(
            middle_of_heat(colorful), (3 * x + 1.5, 3 * 60 + 1.5), atol=1
        )


def test_invalid_boxes_and_missing_ground_truth(visualizer):
    image = np.zeros((500, 400, 3), np.uint8)
    odd = boxes((-50, -50, 900, 900), (60, 60, 20, 20), scores=torch.ones(2))
    for found in (odd, boxes(scores=torch.ones(0))):
        figure = HeatmapFigure(image, cold(500, 400), found, None, None)
        drawn = draw_heatmaps(visualizer, figure)
        assert drawn.shape == (2 * (CAPTION_HEIGHT + 500), 400, 3)
