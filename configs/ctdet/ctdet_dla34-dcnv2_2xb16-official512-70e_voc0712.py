# The official dla_34 for Pascal VOC at 512 x 512.
_base_ = [
    '../_base_/models/ctdet_dla34-dcnv2.py',
    '../_base_/datasets/ctdet_voc0712-512.py',
    '../_base_/schedules/ctdet_70e.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ctdet_plugin.py',
]

model = dict(
    data_preprocessor=_base_.voc_colors, bbox_head=dict(num_classes=20))

train_dataloader = dict(batch_size=16)
