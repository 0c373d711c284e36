# The quick start: handwritten digits on small canvases, learned from scratch by a
# ResNet-18 of half width in minutes on two CPU cores. A canvas is only 4x4 cells at
# stride 32, which is too coarse for a deconvolution neck.
_base_ = [
    '../_base_/models/ctdet_r18-half-fpn.py',
    '../_base_/datasets/ctdet_digits.py',
    '../_base_/schedules/ctdet_adamw-4e_digits.py',
    '../_base_/ctdet_digits-runtime.py',
]

model = dict(bbox_head=dict(num_classes=10))
