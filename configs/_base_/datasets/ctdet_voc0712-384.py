# Pascal VOC as the official code shows it to a network: trainval of 2007 and 2012 in
# random windows of 384 x 384 pixels for training; test of 2007, each image scaled into
# a view of that size. The mirror image is all that official tests add.
_base_ = ['mmdet::_base_/datasets/voc0712.py', '../ctdet_tta.py']

image_size = (384, 384)
# For the data preprocessor: of ImageNet, for red, green, blue. Officially they meet blue,
# green, red.
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
    batch_sampler=None,  # all views have one size
    drop_last=True,
    dataset=dict(
        times=5,  # fewer starts of workers, validations and checkpoints
        dataset=dict(datasets=[
            dict(
                type='VOCDataset',
                data_root='data/VOCdevkit/',
                ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root=f'VOC{year}/'),
                filter_cfg=None,  # small objects are trained, too
                pipeline=train_pipeline) for year in (2007, 2012)
        ])))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
