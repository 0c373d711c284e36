# Hourglass-104 with mmdet's recipe: SGD, warm-up, clipped gradients, mmdet's
# augmentations and targets. For a start from scratch it runs as long as the others do.
_base_ = [
    './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    '../_base_/models/ctdet_hourglass104_network.py',
]

model = _base_.pop('hourglass104')

# The network halves its input seven times.
test_pipeline = _base_.test_pipeline
test_pipeline[1].test_pad_mode = ['logical_or', 127]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[1][0].test_pad_mode = ['logical_or', 127]

train_dataloader = dict(batch_size=6)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# By the linear rule, of 0.02 for 128 images.
optim_wrapper = dict(optimizer=dict(lr=0.0075))
auto_scale_lr = dict(base_batch_size=48)
