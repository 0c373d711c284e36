# The quick start's digits, rotated by up to 30 degrees either way: the corners of the
# upright digit's box are keypoints (docs/properties.md). Data:
# `python dev/make_digits.py data/digits_rotate30 --rotate 30`
_base_ = [
    '../_base_/models/ctdet_r18-half-fpn.py',
    '../_base_/datasets/ctdet_digits-properties.py',
    '../_base_/schedules/ctdet_adamw-4e_digits.py',
    '../_base_/ctdet_digits-runtime.py',
]

# No `flip_pairs`: digits are not flipped.
properties = dict(
    keypoints=dict(
        type='KeypointsProperty', key='keypoints', num_points=4, unit=16.0))

# data; 8 images per step instead of 16 double the steps of the quick start
data_root = 'data/digits_rotate30/'
train_pipeline = _base_.train_pipeline
train_pipeline[2].properties = properties
test_pipeline = _base_.test_pipeline
test_pipeline[2].properties = properties
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[2][0].properties = properties
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        properties=properties, data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        properties=properties, data_root=data_root, pipeline=test_pipeline))
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
auto_scale_lr = dict(base_batch_size=8)

# model
model = dict(
    bbox_head=dict(
        num_classes=10,
        stacked_convs=4,
        norm_cfg=dict(type='BN'),
        properties=properties,
        point_sets=dict(
            joint=dict(
                type='JointPoints', keypoints='keypoints', max_distance=0.1))))

visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
