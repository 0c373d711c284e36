# The quick start's digits, turned by up to 60 degrees either way: beside the box, the
# angle and the brightness of the stroke are learned (docs/properties.md). Data:
# `python dev/make_digits.py data/digits_rotate60 --rotate 60`
_base_ = './ctdet_r18-half-fpn_1xb16-4e_digits.py'

properties = dict(
    angle=dict(type='AngleProperty', key='angle'),
    brightness=dict(type='ScalarProperty', key='brightness'))

# data
data_root = 'data/digits_rotate60/'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=properties),
    dict(type='PackPropertyInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=properties),
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
            [dict(type='LoadProperties', properties=properties)],
            [
                dict(
                    type='PackPropertyInputs',
                    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                               'homography_matrix'))
            ],
        ]),
]
train_dataloader = dict(
    dataset=dict(
        type='CocoPropertyDataset',
        properties=properties,
        data_root=data_root,
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        type='CocoPropertyDataset',
        properties=properties,
        data_root=data_root,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox'),
    dict(type='CTPropertyMetric', properties=properties),
]
test_evaluator = val_evaluator

# model
model = dict(bbox_head=dict(properties=properties))

# pictures
visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
