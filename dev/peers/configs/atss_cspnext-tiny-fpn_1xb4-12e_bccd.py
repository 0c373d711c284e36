# ATSS with the backbone of RTMDet-tiny and anchors of half the size.
_base_ = './atss_r18-fpn_1xb4-12e_bccd.py'

# model
model = dict(
    backbone=dict(
        _delete_=True,
        type='CSPNeXt',
        arch='P5',
        expand_ratio=0.5,
        deepen_factor=0.167,
        widen_factor=0.375,
        out_indices=(1, 2, 3, 4),
        channel_attention=True,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='SiLU', inplace=True)),
    neck=dict(in_channels=[48, 96, 192, 384]),
    bbox_head=dict(anchor_generator=dict(octave_base_scale=4)))
