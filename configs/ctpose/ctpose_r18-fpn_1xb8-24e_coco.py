# Human pose on a CPU: ResNet-18 and the stride-4 level of an FPN, on images of at most
# 256 pixels. For other skeletons, see docs/pose.md.
_base_ = [
    '../_base_/models/ctdet_r18-fpn.py',
    '../_base_/datasets/ctpose_coco.py',
    '../_base_/schedules/ctdet_adamw-24e.py',
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
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    bbox_head=dict(
        num_classes=1,
        properties=_base_.properties,
        point_sets=dict(joint=dict(type='JointPoints'))))

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(
        interval=4, max_keep_ckpts=2, save_best='coco/keypoints_mAP'))

visualizer = dict(
    type='CTDetLocalVisualizer',
    properties=_base_.properties,
    skeleton=_base_.skeleton)
