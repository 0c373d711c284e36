# The official resdcn_101. Batch 96, officially 5 + 7 x 13 on eight GPUs.
_base_ = [
    '../_base_/models/ctdet_r101-dcnv2.py',
    '../_base_/datasets/ctdet_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    '../_base_/ctdet_tta.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

train_dataloader = dict(batch_size=12)
optim_wrapper = dict(optimizer=dict(lr=3.75e-4))
auto_scale_lr = dict(base_batch_size=96)
