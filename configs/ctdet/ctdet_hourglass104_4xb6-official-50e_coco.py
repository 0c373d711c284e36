# The official hourglass. Batch 24, officially 4 + 4 x 5 on five GPUs.
_base_ = [
    '../_base_/models/ctdet_hourglass104.py',
    '../_base_/datasets/ctdet_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    '../_base_/ctdet_tta.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

# The network downsamples by 128.
test_pipeline = _base_.test_pipeline
test_pipeline[1].pad = 127
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(type='CenterAffine', pad=127, scale=scale)
    for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
]

train_dataloader = dict(batch_size=6)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[8], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=24)

# The official training starts from ExtremeNet's weights, which were trained on COCO. To
# start from weights with the names of this network:
# load_from = 'trunk.pth'
