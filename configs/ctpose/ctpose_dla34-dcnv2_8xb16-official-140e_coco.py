# The official multi_pose network of dla_34 with its 1x schedule: batch 128, there
# 9 + 7 x 17 on eight GPUs.
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

# Officially it starts from a detector, ctdet_coco_dla_2x. With official weights that
# were converted, or your own of ctdet_dla34-dcnv2_8xb16-official-230e_coco:
# load_from = 'ctdet_dla34.pth'

visualizer = dict(
    type='CTDetLocalVisualizer',
    properties=_base_.properties,
    skeleton=_base_.skeleton)
