import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from tiny import load_config, shrink
from torch import nn

from mmdet_centernet.hooks import HeatmapVisualizationHook
from mmdet_centernet.hooks.heatmap_hook import find_head
from mmdet_centernet.hooks.heatmap_picture import (
    CAPTION_HEIGHT,
    FOUND_COLOUR,
    TRUTH_COLOUR,
    blend_heatmap,
    draw_prediction,
    spread_heatmap,
)


def bump(shape, cell):
    """A heatmap with one hot cell (x, y)."""
    heatmap = np.zeros(shape, np.float32)
    heatmap[cell[1], cell[0]] = 1
    return heatmap


def middle_of_heat(heatmap):
    """Its centre of mass in continuous pixels (pixel i reaches from i to i + 1)."""
    ys, xs = np.indices(heatmap.shape) + 0.5
    return np.array([(heatmap * xs).sum(), (heatmap * ys).sum()]) / heatmap.sum()


@pytest.mark.parametrize(
    ('geometry', 'middle'),
    [
        ({}, (22, 14)),
        (dict(scale_factor=(0.5, 0.25)), (44, 56)),
        (dict(border=[6, 70, 10, 74]), (12, 8)),
        (
            # Mirrored in a network input 100 pixels wide, then moved up by 2.
            dict(homography_matrix=np.array([[-1, 0, 100], [0, 1, -2], [0, 0, 1.0]])),
            (78, 16),
        ),
    ],
)
def test_heat_lies_where_the_pipeline_took_it_from(geometry, middle):
    meta = dict(ori_shape=(120, 160), **geometry)
    spread = spread_heatmap(bump((32, 32), cell=(5, 3)), meta, stride=4)
    assert spread.shape == (120, 160)
    np.testing.assert_allclose(middle_of_heat(spread), middle, atol=0.05)


def test_blending_shows_the_image_where_it_is_cold():
    image = np.full((8, 8, 3), 100, np.uint8)
    blended = blend_heatmap(image, bump((8, 8), cell=(2, 1)))
    assert blended.dtype == np.uint8
    cold = blended[5, 5]
    assert cold[0] == cold[1] == cold[2] == 40
    assert np.ptp(blended[1, 2].astype(int)) > 50  # a colour


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


def panel_boxes(picture, number_of_panels, colour):
    """The panels in which boxes of a colour are drawn: x1, y1, x2, y2 of each."""
    found = {}
    for i, panel in enumerate(np.hsplit(picture, number_of_panels)):
        distance = np.abs(panel[CAPTION_HEIGHT:].astype(int) - colour).max(axis=2)
        # Text has the colour, too, but a line of it is short.
        lines = (distance < 60).astype(np.uint8)
        columns = np.nonzero(lines.sum(axis=0) > 60)[0]
        rows = np.nonzero(lines.sum(axis=1) > 60)[0]
        if len(columns):
            found[i] = columns.min(), rows.min(), columns.max(), rows.max()
    return found


def test_truth_and_detections_stand_in_their_panels(visualizer):
    image = np.zeros((128, 192, 3), np.uint8)
    picture = draw_prediction(
        visualizer,
        image,
        np.zeros((128, 192), np.float32),
        boxes((10, 20, 60, 90)),
        boxes((100, 30, 150, 100), scores=torch.tensor([0.9])),
    )
    assert picture.shape == (CAPTION_HEIGHT + 3 * 128, 3 * 3 * 192, 3)
    truth = panel_boxes(picture, 3, TRUTH_COLOUR)
    found = panel_boxes(picture, 3, FOUND_COLOUR)
    assert list(truth) == [0]
    assert list(found) == [1]
    np.testing.assert_allclose(truth[0], (30, 60, 180, 270), atol=3)
    np.testing.assert_allclose(found[1], (300, 90, 450, 300), atol=3)


def test_odd_boxes_and_missing_truth_are_drawn_all_the_same(visualizer):
    image = np.zeros((500, 400, 3), np.uint8)
    heatmap = np.zeros((500, 400), np.float32)
    odd = boxes((-50, -50, 900, 900), (60, 60, 20, 20), scores=torch.ones(2))
    for found in (odd, boxes(scores=torch.ones(0))):
        picture = draw_prediction(visualizer, image, heatmap, None, found)
        assert picture.shape == (CAPTION_HEIGHT + 500, 2 * 400, 3)


@pytest.mark.slow
@pytest.mark.parametrize('interval', [1, 3])
def test_draws_every_nth_image_during_validation_and_test(tmp_path, interval):
    cfg = shrink(load_config('ctdet_r18-fpn_1xb8-24e_bccd'), tmp_path)
    cfg.custom_hooks = [dict(type='HeatmapVisualizationHook', interval=interval)]
    cfg.default_hooks.checkpoint = None  # it keeps the best of a training
    cfg.visualizer.name = f'visualizer of {tmp_path}'  # one a name and process
    runner = Runner.from_cfg(cfg)
    runner.val()
    runner.test()
    folder = next(tmp_path.rglob('vis_image'))
    names = sorted(path.name for path in folder.iterdir())
    drawn = range(0, 4, interval)  # of 4 images, in batches of 2
    assert names == [f'{m}_{i:06}_0.png' for m in ('test', 'val') for i in drawn]
    picture = cv2.imread(str(folder / names[0]))
    assert picture.shape[1] == 3 * 384
    head = find_head(runner.model)
    assert not head._forward_hooks


class Watched(HeatmapVisualizationHook):
    def _draw(self, runner, mode, sample, logits):
        self.drawn.append((sample.img_path, float(logits)))


def test_each_image_gets_its_own_heatmap():
    hook = Watched(interval=2)
    hook.drawn, hook._num_seen = [], 0
    for batch in ([0, 1, 2], [3, 4]):
        hook._keep_logits(None, None, ([torch.tensor(batch)], None, None))
        samples = [DetDataSample(metainfo=dict(img_path=str(i))) for i in batch]
        hook.after_val_iter(None, 0, None, samples)
    assert hook.drawn == [('0', 0.0), ('2', 2.0), ('4', 4.0)]


def test_a_model_without_the_head_is_named():
    with pytest.raises(ValueError, match='Linear has no CTDetHead'):
        find_head(nn.Linear(1, 1))


def test_the_interval_has_to_be_positive():
    with pytest.raises(ValueError, match='interval is 0'):
        HeatmapVisualizationHook(interval=0)
