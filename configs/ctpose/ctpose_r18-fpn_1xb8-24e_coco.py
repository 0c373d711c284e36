# A network for human pose that is light enough for a CPU: ResNet-18 and the stride-4
# level of an FPN, on images of at most 256 pixels. For your own skeletons, see
# docs/pose.md. Batch, optimiser and schedule are those of ctdet_r18-fpn_1xb8-24e_bccd.
_base_ = [
    '../_base_/datasets/ctpose_coco.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

# data
image_size = (256, 256)
train_pipeline = _base_.train_pipeline
train_pipeline[3].size = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1] = dict(type='CenterAffine', size=image_size)
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(type='CenterAffine', size=image_size)]

train_dataloader = dict(
    _delete_=True,
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoPropertyDataset',
        properties=_base_.properties,
        metainfo=_base_.metainfo,
        data_root='data/coco/',
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=1),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

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
        norm_eval=False,
        norm_cfg=dict(type='BN'),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(
        type='FinestFPN',
        in_channels=[64, 128, 256, 512],
        out_channels=64,
        norm_cfg=dict(type='BN')),
    bbox_head=dict(
        type='CTDetHead',
        num_classes=1,
        in_channels=64,
        feat_channels=64,
        properties=_base_.properties,
        point_sets=dict(joint=dict(type='JointPoints'))),
    test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100))
tta_model = dict(type='CTDetTTAModel')

# schedule
max_epochs = 24
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=4)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.001,
        by_epoch=False,
        begin=0,
        end=50),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-5,
        convert_to_iter_based=True),
]
# The learning rate is meant for 8 images a step and follows the batch that is run.
auto_scale_lr = dict(enable=True, base_batch_size=8)

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(
        interval=4, max_keep_ckpts=2, save_best='coco/keypoints_mAP'))

visualizer = dict(
    type='CTDetLocalVisualizer',
    properties=_base_.properties,
    skeleton=_base_.skeleton)
