# The recipe of ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py with ResNet-18.
_base_ = '../../../configs/ctdet/ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py'

# model
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=18,
        norm_eval=False,
        norm_cfg=dict(type='BN')),
    neck=dict(in_channels=[64, 128, 256, 512]))
