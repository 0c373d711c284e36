import cv2
import numpy as np
import pytest
import torch
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config

from helpers.tiny import tiny_config
from mmdet_centernet.codecs import CenterNetTargetAssigner, paint_heatmap
from mmdet_centernet.data_report.picture import (
    DROPPED_COLOUR,
    SHARING_COLOUR,
    draw_sample,
    windows,
)
from mmdet_centernet.data_report.plot import plot_summary
from mmdet_centernet.data_report.samples import Sample, TrainingData
from mmdet_centernet.data_report.statistics import (
    collect,
    sharing,
    suspect_targets,
)
from mmdet_centernet.files import write_bytes, write_picture
from mmdet_centernet.hooks.heatmap_picture import TRUTH_COLOUR

STRIDE = 4
ALONE = (4, 4, 20, 24)
TWIN = (40, 40, 52, 54)
OTHER_TWIN = (41, 38, 51, 56)  # its centre is in the same cell
FLAT = (60, 20, 60, 30)
THIN = (90, 4, 92, 60)


def make_targets(boxes, labels=None, cells=32, **assigner):
    labels = torch.zeros(len(boxes)) if labels is None else torch.tensor(labels)
    return CenterNetTargetAssigner(**assigner).assign(
        [torch.tensor(boxes, dtype=torch.float).reshape(-1, 4)],
        [labels.long()],
        (1, 3, cells, cells),
        stride=STRIDE,
    )


def test_collisions_are_told_apart_by_class():
    targets = make_targets([ALONE, TWIN, OTHER_TWIN, TWIN], [0, 1, 1, 2])
    assert sharing(targets, same_class=True).tolist() == [False, True, True, False]
    assert sharing(targets, same_class=False).tolist() == [False, True, True, True]


def test_dropped_boxes_share_no_cell():
    """They are kept as rows whose centre is the first cell."""
    targets = make_targets([(0, 0, 3, 3), FLAT, FLAT])
    assert not sharing(targets, same_class=False).any()


def slow_count(boxes, labels):
    """Objects that share a cell, by a loop."""
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
        '2 boxes that leave the pipeline are not finite'
        in (suspect_targets(statistics)[0])
    )


def test_an_input_that_is_too_small_is_warned_of():
    widths = np.linspace(1, 20, 40)
    boxes = np.array([(6 * i, 4, 6 * i + w, 60) for i, w in enumerate(widths)])
    (text,) = suspect_targets(collect([make_targets(boxes.tolist(), cells=80)]))
    assert text.startswith('17.5% of the objects are thinner than a cell')
    # In an input larger by what it says, 5 % are left.
    factor = float(text.split(' times')[0].split()[-1])
    larger = collect([make_targets((factor * boxes).tolist(), cells=200)])
    assert larger.thin.mean() == pytest.approx(0.05, abs=0.03)
    assert suspect_targets(larger) == []


def test_collisions_are_warned_of():
    (text,) = suspect_targets(collect([make_targets([ALONE, TWIN, OTHER_TWIN])]))
    assert text.startswith('66.7% of the objects share a cell')
    assert suspect_targets(collect([make_targets([ALONE, TWIN])])) == []


def test_a_dataset_without_objects_is_warned_of():
    (text,) = suspect_targets(collect([make_targets([])]))
    assert 'no image has an object' in text
    with pytest.raises(ValueError, match='no image to count'):
        collect([])


def test_windows_hold_the_heat():
    targets = make_targets([ALONE, THIN, (30, 60, 120, 120)], [0, 1, 2])
    heat = paint_heatmap(targets)[0]
    for label, (x1, y1, x2, y2) in enumerate(windows(targets).astype(int).tolist()):
        inside = heat[label, max(y1, 0) : y2, max(x1, 0) : x2]
        assert inside.min() > 0
        assert inside.sum() == heat[label].sum() > 0


def test_each_kind_has_its_colour():
    boxes = torch.tensor([ALONE, TWIN, OTHER_TWIN, FLAT, (200, 8, 220, 20)]).float()
    labels = torch.tensor([0, 1, 1, 2, 9])
    targets = make_targets(boxes.tolist(), labels.tolist())
    regions = torch.tensor([[70.0, 70.0, 90.0, 90.0]])
    image = np.zeros((128, 128, 3), np.uint8)
    sample = Sample('a.png', image, boxes, labels, regions, targets)
    picture = draw_sample(DetLocalVisualizer(), sample, ('a', 'b', 'c'), STRIDE)
    left = picture[24:, :384].astype(int)
    for colour, (x1, y1, x2, y2) in (
        (TRUTH_COLOUR, ALONE),
        (SHARING_COLOUR, (40, 38, 52, 56)),
        (DROPPED_COLOUR, (60, 8, 128, 30)),
    ):
        ys, xs = np.nonzero(np.abs(left - colour).max(axis=2) < 70)
        assert xs.min() >= 3 * x1 - 12
        assert xs.max() <= 3 * x2 + 90  # labels stand out of narrow boxes
        assert ys.min() >= 3 * y1 - 12
        assert ys.max() <= 3 * y2 + 12
    assert picture.shape == (24 + 384, 768, 3)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    cfg = Config.fromfile(tiny_config(folder))
    cfg.train_dataloader.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackDetInputs'),
    ]
    return TrainingData(cfg), folder


def test_samples_are_what_the_network_gets(data):
    training, folder = data
    (sample,) = training.samples([1])
    on_disk = cv2.imread(str(folder / 'images/000001.jpg'))
    np.testing.assert_array_equal(sample.image, on_disk[:, ::-1, ::-1])
    truth = training.dataset[1]['data_samples'].gt_instances
    torch.testing.assert_close(sample.boxes, truth.bboxes.tensor)
    maps, _ = training.head.get_targets(
        [sample.boxes], [sample.labels], (1, 2, 16, 16), (64, 64)
    )
    assert torch.equal(paint_heatmap(sample.targets), maps['center_heatmap_target'])


def test_another_head_is_refused():
    cfg = Config(dict(model=dict(bbox_head=dict(type='CenterNetHead'))))
    with pytest.raises(ValueError, match="no CTDetHead but 'CenterNetHead'"):
        TrainingData(cfg)


def test_the_plot_takes_what_there_may_be():
    crowded = collect([make_targets([ALONE, TWIN, OTHER_TWIN, THIN])])
    empty = collect([make_targets([])])
    for statistics in (crowded, empty):
        for classes in ({}, dict(a=0), {str(i): i for i in range(100)}):
            axes = plot_summary(statistics, classes).axes
            assert len(axes[2].patches) == min(len(classes), 80)


def test_pictures_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'a.png'
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    write_picture(path, image)
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], image)
    monkeypatch.setattr('os.replace', lambda *names: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bytes(path, b'other')
    assert [p.name for p in path.parent.iterdir()] == ['a.png']
    assert path.read_bytes()[:4] == b'\x89PNG'
