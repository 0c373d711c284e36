# The official resdcn_18. Batch 114, officially 18 + 3 x 32 on four GPUs.
_base_ = [
    '../_base_/models/ctdet_r18-dcnv2.py',
    '../_base_/datasets/ctdet_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    '../_base_/ctdet_tta.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

train_dataloader = dict(batch_size=19)
auto_scale_lr = dict(base_batch_size=114)
