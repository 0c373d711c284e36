# Hourglass-104, as an override of another model's network:
#     model = _base_.pop('hourglass104')
hourglass104 = dict(
    # The network downsamples by 128.
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
