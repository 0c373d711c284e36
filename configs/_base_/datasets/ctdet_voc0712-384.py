# Pascal VOC with the official preprocessing: trainval 2007 and 2012 in random crops of
# 384 x 384 for training; test 2007, each image fitted into 384 x 384. As officially,
# test-time augmentation only adds the flipped image.
_base_ = ['mmdet::_base_/datasets/voc0712.py', '../ctdet_tta.py']

image_size = (384, 384)
# ImageNet's, in the order R, G, B. As in the official code, the data preprocessor applies
# them to B, G, R images.
voc_colors = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomCenterAffine', size=image_size),
    dict(type='CenterNetColorJitter'),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='CenterAffine', size=image_size),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                   'homography_matrix')),
]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(type='CenterAffine', size=image_size)]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    batch_sampler=None,  # all images have one size
    drop_last=True,
    dataset=dict(
        times=5,  # fewer worker starts, validations and checkpoints
        dataset=dict(datasets=[
            dict(
                type='VOCDataset',
                data_root='data/VOCdevkit/',
                ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root=f'VOC{year}/'),
                filter_cfg=None,  # keep small objects
                pipeline=train_pipeline) for year in (2007, 2012)
        ])))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
