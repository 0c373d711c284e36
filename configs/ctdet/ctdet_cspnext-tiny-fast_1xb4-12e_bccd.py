# The fast recipe with the backbone of RTMDet-tiny, a neck with smoothing convolutions,
# convolutions shared by the branches, and small batches (docs/fast.md).
_base_ = './ctdet_r18-fast_1xb8-8e_bccd.py'

# data
train_pipeline = _base_.train_pipeline
train_pipeline[3] = dict(type='RandomCrop', crop_size=(320, 256))  # width, height
train_dataloader = dict(
    batch_size=4, dataset=dict(pipeline=train_pipeline))

# model
norm_cfg = dict(type='BN')
model = dict(
    backbone=dict(
        _delete_=True,
        type='CSPNeXt',
        arch='P5',
        expand_ratio=0.5,
        deepen_factor=0.167,
        widen_factor=0.375,
        out_indices=(1, 2, 3, 4),
        channel_attention=True,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='SiLU', inplace=True)),
    neck=dict(
        in_channels=[48, 96, 192, 384],
        smooth_convs=1,
        upsample_cfg=dict(mode='bilinear', align_corners=False)),
    bbox_head=dict(
        stacked_convs=3,
        norm_cfg=norm_cfg,
        branch_init='dla'),
    # The official targets clip boxes at the right and lower border one cell too short.
    # Here targets keep the full size, and predictions are clipped to the image.
    train_cfg=dict(
        assigner=dict(type='CenterNetTargetAssigner', clip_boxes=False)),
    test_cfg=dict(clip_border=True))

# schedule
max_epochs = 12
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = max_epochs
auto_scale_lr = dict(base_batch_size=4)
