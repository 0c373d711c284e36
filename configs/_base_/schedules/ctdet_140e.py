# The official schedule: Adam, no warm-up, no weight decay, no clipping of gradients. An
# epoch stands for the 5 rounds of RepeatDataset.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=28, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[18, 24], gamma=0.1),
]
# The learning rate is meant for 8 GPUs x 16 images and follows the batch that is run.
auto_scale_lr = dict(enable=True, base_batch_size=128)
