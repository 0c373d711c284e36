# The official multi_pose hourglass, 1x schedule. Batch 24, officially 4 + 4 x 5 on five
# GPUs.
_base_ = [
    '../_base_/models/ctdet_hourglass104.py',
    '../_base_/datasets/ctpose_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

model = dict(
    bbox_head=dict(
        num_classes=1,
        properties=_base_.properties,
        point_sets=dict(joint=dict(type='JointPoints'))),
    train_cfg=dict(
        assigner=dict(type='CenterNetTargetAssigner', max_objects=32)))

# The network downsamples by 128.
test_pipeline = _base_.test_pipeline
test_pipeline[1].pad = 127
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(type='CenterAffine', pad=127)]

train_dataloader = dict(batch_size=6)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
param_scheduler = [
    dict(type='MultiStepLR', milestones=[8], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=24)

# The official training starts from the detector ctdet_coco_hg. To do the same with
# converted official weights, or with yours of ctdet_hourglass104_4xb6-official-50e_coco:
# load_from = 'ctdet_hourglass.pth'

visualizer = dict(
    type='CTDetLocalVisualizer',
    properties=_base_.properties,
    skeleton=_base_.skeleton)
