# Hourglass-104 with mmdet's recipe: SGD, warm-up, clipped gradients, mmdet's
# augmentations and targets. For a start from scratch it runs as long as the others do.
_base_ = './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py'

model = dict(
    data_preprocessor=dict(pad_size_divisor=128),
    backbone=dict(
        _delete_=True,
        type='HourglassNet',
        downsample_times=5,
        num_stacks=2,
        stage_channels=(256, 256, 384, 384, 384, 512),
        stage_blocks=(2, 2, 2, 2, 2, 4),
        feat_channel=256),
    neck=None,
    bbox_head=dict(
        in_channels=256,
        feat_channels=256,
        num_stacks=2,
        branch_init='hourglass'))

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
