# The official multi_pose dla_34, 3x schedule.
_base_ = './ctpose_dla34-dcnv2_8xb16-official-140e_coco.py'

train_cfg = dict(max_epochs=64)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[54, 60], gamma=0.1),
]
