# ResNet-18 of half width, trained from scratch, with the fast recipe: boxes are learned
# from all cells under a Gaussian (docs/fast.md).
_base_ = './ctdet_r18-fpn.py'

model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256]),
    bbox_head=dict(
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0), wh_unit=16.0))
