# Digits with further properties per object. The configs set `properties` and
# `data_root`.
_base_ = './ctdet_digits.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=None),
    dict(type='PackPropertyInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=None),
    dict(
        type='PackPropertyInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape')),
]
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
            [dict(type='LoadProperties', properties=None)],
            [
                dict(
                    type='PackPropertyInputs',
                    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                               'homography_matrix'))
            ],
        ]),
]
train_dataloader = dict(dataset=dict(type='CocoPropertyDataset'))
val_dataloader = dict(dataset=dict(type='CocoPropertyDataset'))
test_dataloader = val_dataloader
