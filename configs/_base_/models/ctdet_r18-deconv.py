# ResNet-18 without deformable convolutions as in the official code (res_18): nothing
# but transposed convolutions of 256 channels.
_base_ = './ctdet_r18-dcnv2.py'

model = dict(
    neck=dict(channels=(256, 256, 256), conv_cfg=None),
    bbox_head=dict(in_channels=256, branch_init='resnet'))
