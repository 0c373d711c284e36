# The official multi_pose hourglass, 3x schedule.
_base_ = './ctpose_hourglass104_4xb6-official-50e_coco.py'

train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[26], gamma=0.1),
]
