_base_ = './ctdet_adamw-24e.py'

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = _base_.param_scheduler
param_scheduler[0].start_factor = 0.1
param_scheduler[1].T_max = max_epochs
# The learning rate is for 16 images per step and is scaled to the actual batch size.
auto_scale_lr = dict(base_batch_size=16)
