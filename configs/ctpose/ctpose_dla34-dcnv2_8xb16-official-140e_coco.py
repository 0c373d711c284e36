# The official multi_pose dla_34, 1x schedule. Batch 128, officially 9 + 7 x 17 on eight
# GPUs.
_base_ = [
    '../_base_/models/ctdet_dla34-dcnv2.py',
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

# The official training starts from the detector ctdet_coco_dla_2x. To do the same with
# converted official weights, or with yours of ctdet_dla34-dcnv2_8xb16-official-230e_coco:
# load_from = 'ctdet_dla34.pth'

visualizer = dict(
    type='CTDetLocalVisualizer',
    properties=_base_.properties,
    skeleton=_base_.skeleton)
