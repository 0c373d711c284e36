# Data, augmentations, preprocessing, batches, optimizer and schedule of all peers: those
# of ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py. The configs beside it replace the model.
_base_ = '../../../../configs/ctdet/ctdet_r18-fpn_1xb8-24e_bccd.py'

# data
train_pipeline = _base_.train_pipeline
train_pipeline[3] = dict(type='RandomCrop', crop_size=(320, 256))  # width, height
train_dataloader = dict(
    batch_size=4, dataset=dict(pipeline=train_pipeline))

# schedule
max_epochs = 12
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = max_epochs
auto_scale_lr = dict(base_batch_size=4)
