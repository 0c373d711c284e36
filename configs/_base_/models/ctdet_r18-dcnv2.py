# The official resdcn_18: ResNet-18 with deformable convolutions. They have a bias,
# unlike mmdet's, so that official weights load strictly.
model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        # COCO's, in B, G, R; the network takes B, G, R images.
        mean=[104.01361770, 114.03422010, 119.91659325],
        std=[73.6027614, 69.8908182, 70.915079175],
        bgr_to_rgb=False,
        pad_size_divisor=32),
    backbone=dict(
        type='ResNet',
        depth=18,
        norm_eval=False,
        norm_cfg=dict(type='BN'),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(
        type='DeconvNeck',
        in_channels=512,
        channels=(256, 128, 64),
        conv_cfg=dict(type='DCNv2')),
    bbox_head=dict(
        type='CTDetHead',
        num_classes=80,
        in_channels=64,
        feat_channels=64,
        branch_init='resnet_dcn'),
    test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100))
