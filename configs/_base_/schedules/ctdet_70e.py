# The official schedule for Pascal VOC.
_base_ = './ctdet_140e.py'

train_cfg = dict(max_epochs=14)
optim_wrapper = dict(optimizer=dict(lr=1.25e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[9, 12], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=32)
