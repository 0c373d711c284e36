# The official dla_34 for Pascal VOC at 384 x 384.
_base_ = [
    '../_base_/models/ctdet_dla34-dcnv2.py',
    '../_base_/datasets/ctdet_voc0712-384.py',
    '../_base_/schedules/ctdet_70e.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

model = dict(
    data_preprocessor=_base_.voc_colors, bbox_head=dict(num_classes=20))
