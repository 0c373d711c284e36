"""Data, targets and predictions of the config of the smaller network."""

import numpy as np
import torch
from mmdet.registry import MODELS, TRANSFORMS

from helpers.heads import META
from helpers.tiny import load_config

CONFIG = load_config('ctdet_cspnext-tiny-fast_1xb4-12e_bccd')
WIDTH, HEIGHT = 320, 256
MAP = 1, 3, HEIGHT // 4, WIDTH // 4
CUT = [200.0, 40, 320, 140]
"""A box whose right side is the border of the input."""


def head():
    cfg = CONFIG.model
    built = dict(cfg.bbox_head, train_cfg=cfg.train_cfg, test_cfg=cfg.test_cfg)
    return MODELS.build(built)


def maps_of(box):
    """Maps with one box at its center cell, by a formula of its own."""
    corners = torch.tensor(box) / 4
    center, size = (corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]
    x, y = center.long().tolist()
    heat = torch.full(MAP, -9.0)
    heat[0, 0, y, x] = 9.0
    wh, offset = torch.zeros_like(heat[:, :2]), torch.zeros_like(heat[:, :2])
    wh[0, :, y, x], offset[0, :, y, x] = size, center - center.floor()
    return [heat], [wh], [offset]


def test_crops_have_the_shape_of_the_images():
    crop = next(s for s in CONFIG.train_pipeline if s.type == 'RandomCrop')
    trained = CONFIG.train_dataloader.dataset.pipeline
    assert crop in trained
    boxes = np.array([[0, 0, 416, 312]], dtype=np.float32)
    labels = np.zeros(1, dtype=np.int64)
    image = dict(
        img=np.zeros((312, 416, 3), np.uint8), gt_bboxes=boxes, gt_bboxes_labels=labels
    )
    assert TRANSFORMS.build(crop)(image)['img'].shape == (HEIGHT, WIDTH, 3)


def test_targets_of_a_box_at_the_border_have_its_full_size():
    targets = head().get_targets(
        [torch.tensor([CUT])], [torch.zeros(1).long()], MAP, (HEIGHT, WIDTH)
    )[0]
    _, wh, offset = maps_of(CUT)
    torch.testing.assert_close(targets['wh_target'], wh[0])
    torch.testing.assert_close(targets['offset_target'], offset[0])


def test_predictions_are_clipped_to_the_image():
    meta = dict(META, img_shape=(240, 320), batch_input_shape=(HEIGHT, WIDTH))
    maps = maps_of([200.0, 200, 340, 252])
    (found,) = head().predict_by_feat(*maps, [meta], rescale=False)
    torch.testing.assert_close(found.bboxes[0], torch.tensor([200.0, 200, 320, 240]))
