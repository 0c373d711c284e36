# The quick start's digits, rotated by up to 60 degrees either way: the head predicts the
# angle and the brightness of the stroke beside the box (docs/properties.md). Data:
# `python dev/make_digits.py data/digits_rotate60 --rotate 60`
_base_ = [
    '../_base_/models/ctdet_r18-half-fpn.py',
    '../_base_/datasets/ctdet_digits-properties.py',
    '../_base_/schedules/ctdet_adamw-4e_digits.py',
    '../_base_/ctdet_digits-runtime.py',
]

properties = dict(
    angle=dict(type='AngleProperty', key='angle'),
    brightness=dict(type='ScalarProperty', key='brightness'))

# data
data_root = 'data/digits_rotate60/'
train_pipeline = _base_.train_pipeline
train_pipeline[2].properties = properties
test_pipeline = _base_.test_pipeline
test_pipeline[2].properties = properties
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[2][0].properties = properties
train_dataloader = dict(
    dataset=dict(
        properties=properties, data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        properties=properties, data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + 'val.json', metric='bbox'),
    dict(type='CTPropertyMetric', properties=properties),
]
test_evaluator = val_evaluator

# model
model = dict(bbox_head=dict(num_classes=10, properties=properties))

visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
