# The official schedule: Adam without warm-up, weight decay or gradient clipping. One
# epoch here is 5 passes over the data (RepeatDataset).
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=28, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[18, 24], gamma=0.1),
]
# The learning rate is for 8 GPUs x 16 images and is scaled to the actual batch size.
auto_scale_lr = dict(enable=True, base_batch_size=128)
