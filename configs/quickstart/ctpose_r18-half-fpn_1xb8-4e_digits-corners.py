# The quick start's digits, turned by up to 30 degrees either way: the corners of the
# upright digit's box are its joints (docs/properties.md). Data:
# `python dev/make_digits.py data/digits_rotate30 --rotate 30`
_base_ = './ctdet_r18-half-fpn_1xb16-4e_digits.py'

# Digits are not mirrored, so no corners change names.
properties = dict(
    keypoints=dict(
        type='KeypointsProperty', key='keypoints', num_points=4, unit=16.0))

# data
data_root = 'data/digits_rotate30/'
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
# The corners of round digits lie in empty space: they are about as hard to place as
# hips, whose sigma is 0.107 in COCO.
val_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox'),
    dict(
        type='CocoKeypointMetric',
        ann_file=data_root + 'val.json',
        sigmas=[0.1] * 4),
]
test_evaluator = val_evaluator

# model
model = dict(
    bbox_head=dict(
        stacked_convs=4,
        norm_cfg=dict(type='BN'),
        properties=properties,
        point_sets=dict(
            joint=dict(
                type='JointPoints', keypoints='keypoints', max_distance=0.1))))

# Twice as many steps as the quick start, for the same number of images.
train_dataloader.update(batch_size=8)
auto_scale_lr = dict(base_batch_size=8)

# pictures
visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
