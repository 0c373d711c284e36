# DLA-34 with mmdet's recipe: SGD, warm-up, gradient clipping, mmdet's augmentations and
# targets. ResNet-18 has a higher AP with it than with the official recipe.
_base_ = [
    './ctdet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    '../_base_/models/ctdet_dla34-dcnv2_network.py',
]

model = _base_.pop('dla34')
