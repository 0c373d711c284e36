# The official dla_34, 1x schedule. Batch 128, officially 9 + 7 x 17 on eight GPUs.
_base_ = [
    '../_base_/models/ctdet_dla34-dcnv2.py',
    '../_base_/datasets/ctdet_coco.py',
    '../_base_/schedules/ctdet_140e.py',
    '../_base_/ctdet_tta.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]
