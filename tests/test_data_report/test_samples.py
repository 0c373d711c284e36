import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers.tiny import tiny_config
from mmdet_centernet.codecs import paint_heatmap
from mmdet_centernet.data_report.samples import TrainingData


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


def test_samples_equal_the_network_input(data):
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


def test_other_heads_are_refused():
    cfg = Config(dict(model=dict(bbox_head=dict(type='CenterNetHead'))))
    with pytest.raises(ValueError, match="no CTDetHead but 'CenterNetHead'"):
        TrainingData(cfg)
