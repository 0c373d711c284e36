# Hourglass-104 with mmdet's recipe: SGD, warm-up, gradient clipping, mmdet's
# augmentations and targets. It trains from scratch, for 140 epochs as the others.
_base_ = [
    './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    '../_base_/models/ctdet_hourglass104_network.py',
]

model = _base_.pop('hourglass104')

# The network downsamples by 128.
test_pipeline = _base_.test_pipeline
test_pipeline[1].test_pad_mode = ['logical_or', 127]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[1][0].test_pad_mode = ['logical_or', 127]

train_dataloader = dict(batch_size=6)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# Linear scaling of 0.02 at batch 128.
optim_wrapper = dict(optimizer=dict(lr=0.0075))
auto_scale_lr = dict(base_batch_size=48)
