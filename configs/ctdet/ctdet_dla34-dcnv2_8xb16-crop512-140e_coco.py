# DLA-34 with mmdet's recipe: SGD, warm-up, clipped gradients, mmdet's augmentations and
# targets. It brought ResNet-18 more than the official one does.
_base_ = [
    './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    '../_base_/models/ctdet_dla34-dcnv2_network.py',
]

model = _base_.pop('dla34')
