# The official res_18 with the recipe of resdcn_18: none was published for res_18.
_base_ = [
    '../_base_/models/ctdet_r18-deconv.py',
    '../_base_/datasets/ctdet_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    '../_base_/ctdet_tta.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

train_dataloader = dict(batch_size=19)
auto_scale_lr = dict(base_batch_size=114)
