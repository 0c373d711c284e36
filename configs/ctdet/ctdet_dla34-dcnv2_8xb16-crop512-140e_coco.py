# DLA-34 with mmdet's recipe: SGD, warm-up, clipped gradients, mmdet's augmentations and
# targets. It brought ResNet-18 more than the official one does.
_base_ = './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='DLANet',
        # ImageNet weights have to be fetched by hand, see docs/official_weights.md:
        # init_cfg=dict(type='Pretrained', checkpoint='dla34.pth'),
    ),
    neck=dict(
        _delete_=True,
        type='DLAUp',
        in_channels=(64, 128, 256, 512),
        conv_cfg=dict(type='DCNv2')),
    bbox_head=dict(feat_channels=256, branch_init='dla'))
