# Example of a custom dataset (docs/custom_data.md): BCCD, 364 images of blood smears with
# three kinds of cells, at half their size, trained from scratch.
_base_ = [
    '../_base_/models/ctdet_r18-fpn.py',
    '../_base_/schedules/ctdet_adamw-24e.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

# data
data_root = 'data/bccd/'
metainfo = dict(classes=('RBC', 'WBC', 'Platelets'))
image_scale = (320, 240)  # width, height
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='RandomResize',
        scale=image_scale,
        ratio_range=(0.8, 1.3),
        keep_ratio=True),
    # Width, height: portrait crops, with which docs/fast.md was measured.
    # ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py crops in the shape of the images.
    dict(type='RandomCrop', crop_size=(256, 320)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                   'scale_factor')),
]
# Test-time augmentation (`test --tta`) at three scales; the model adds the flipped
# images.
tta_model = dict(type='CTDetTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_scale, keep_ratio=True),
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
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='val.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=8,
    num_workers=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        metainfo=metainfo,
        data_root=data_root,
        ann_file='test.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox')
test_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'test.json', metric='bbox')

# model
model = dict(
    backbone=dict(
        # To start from ImageNet weights, which are downloaded:
        # init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'),
    ),
    bbox_head=dict(num_classes=3))

default_hooks = dict(
    # Names in visualizations follow the order of the json, not that of metainfo.
    label_names=dict(type='LabelNamesHook'),
    logger=dict(interval=10),
    checkpoint=dict(interval=4, max_keep_ckpts=2, save_best='coco/bbox_mAP'))
