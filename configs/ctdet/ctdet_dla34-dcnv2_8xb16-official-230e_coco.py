# The official dla_34, 2x schedule.
_base_ = './ctdet_dla34-dcnv2_8xb16-official-140e_coco.py'

train_cfg = dict(max_epochs=46)
param_scheduler = [
    dict(type='MultiStepLR', milestones=[36, 42], gamma=0.1),
]
