# The quick start: handwritten digits on small canvases (dev/make_digits.py), a
# ResNet-18 of half width, from scratch, in minutes on two CPU cores.
_base_ = [
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

# data
dataset_type = 'CocoDataset'
data_root = 'data/digits/'
metainfo = dict(classes=tuple('0123456789'))
# Canvases have the size that the network sees; digits are not mirrored.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape')),
]
# Test-time augmentation (`mmdet_centernet test --tta`): scales alone.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=scale)
                for scale in (0.75, 1.0, 1.25)
            ],
            [dict(type='LoadAnnotations', with_bbox=True)],
            [
                dict(
                    type='PackDetInputs',
                    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                               'homography_matrix'))
            ],
        ]),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        metainfo=metainfo,
        data_root=data_root,
        ann_file='train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        metainfo=metainfo,
        data_root=data_root,
        ann_file='val.json',
        data_prefix=dict(img='val/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox')
test_evaluator = val_evaluator

# model
model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=32,
        norm_eval=False,
        norm_cfg=dict(type='BN')),
    # A canvas is 4x4 cells at stride 32, too coarse for a deconvolution neck, which
    # sees all through them; the stride-4 level of an FPN has fine detail, too.
    neck=dict(
        type='FinestFPN',
        in_channels=[32, 64, 128, 256],
        out_channels=64,
        norm_cfg=dict(type='BN')),
    # Boxes are learned from all cells under a Gaussian (docs/fast.md).
    bbox_head=dict(
        type='CTDetHead',
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        wh_unit=16.0),
    test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100))
tta_model = dict(type='CTDetTTAModel', flip=False)

# schedule
max_epochs = 4
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-5,
        convert_to_iter_based=True),
]
# The learning rate is meant for 16 images a step and follows the batch that is run.
auto_scale_lr = dict(enable=True, base_batch_size=16)

# runtime
randomness = dict(seed=0)
default_hooks = dict(
    label_names=dict(type='LabelNamesHook'),
    logger=dict(interval=25),
    checkpoint=dict(interval=1, max_keep_ckpts=1))
custom_hooks = _base_.custom_hooks + [
    dict(type='HeatmapVisualizationHook', interval=25),
]
