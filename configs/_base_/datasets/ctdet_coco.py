# COCO with the official preprocessing: random crops of 512 x 512 for training, whole
# images at their own resolution for testing.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomCenterAffine', size=(512, 512)),
    dict(type='CenterNetColorJitter'),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='CenterAffine', pad=31),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                   'homography_matrix')),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    batch_sampler=None,  # all images have one size
    drop_last=True,
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=5,  # fewer worker starts, validations and checkpoints
        dataset=dict(
            type='CocoDataset',
            data_root='data/coco/',
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017/'),
            filter_cfg=None,  # keep images without objects
            pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
