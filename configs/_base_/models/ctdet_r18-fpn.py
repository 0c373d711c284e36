# ResNet-18 and the stride-4 level of an FPN, which keeps the detail of small objects; a
# deconvolution neck upsamples the stride-32 map only.
model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='ResNet',
        depth=18,
        norm_eval=False,
        norm_cfg=dict(type='BN')),
    neck=dict(
        type='FinestFPN',
        in_channels=[64, 128, 256, 512],
        out_channels=64,
        norm_cfg=dict(type='BN')),
    bbox_head=dict(type='CTDetHead', in_channels=64, feat_channels=64),
    test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100))
