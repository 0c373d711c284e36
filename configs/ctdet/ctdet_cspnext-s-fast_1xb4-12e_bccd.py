# More accurate than ctdet_cspnext-tiny-fast, at about twice the cost: the backbone of
# RTMDet-s, 96 channels, less change of scale, and a larger weight of the GIoU loss
# (docs/fast.md).
_base_ = './ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py'

# data
train_pipeline = _base_.train_pipeline
train_pipeline[2].ratio_range = (0.9, 1.15)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# model
model = dict(
    backbone=dict(deepen_factor=0.33, widen_factor=0.5),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=96),
    bbox_head=dict(
        in_channels=96,
        feat_channels=96,
        loss_bbox=dict(loss_weight=5.0)))
