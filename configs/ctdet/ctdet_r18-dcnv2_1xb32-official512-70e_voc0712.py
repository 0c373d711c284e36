# The official resdcn_18 for Pascal VOC at 512 x 512.
_base_ = [
    '../_base_/models/ctdet_r18-dcnv2.py',
    '../_base_/datasets/ctdet_voc0712-512.py',
    '../_base_/schedules/ctdet_70e.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

model = dict(
    data_preprocessor=dict(
        # Of ImageNet, for red, green, blue. Officially they meet blue, green, red.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    bbox_head=dict(num_classes=20))
