# The official res_18: ResNet-18 and three transposed convolutions of 256 channels,
# without deformable convolutions.
_base_ = './ctdet_r18-dcnv2.py'

model = dict(
    neck=dict(channels=(256, 256, 256), conv_cfg=None),
    bbox_head=dict(in_channels=256, branch_init='resnet'))
