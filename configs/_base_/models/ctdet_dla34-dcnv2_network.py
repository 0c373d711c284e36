# DLA-34 with deformable convolutions, as an override of another model's network:
#     model = _base_.pop('dla34')
dla34 = dict(
    backbone=dict(
        _delete_=True,
        type='DLANet',
        # ImageNet weights: download by hand, see docs/official_weights.md, then
        # init_cfg=dict(type='Pretrained', checkpoint='dla34.pth'),
    ),
    neck=dict(
        _delete_=True,
        type='DLAUp',
        in_channels=(64, 128, 256, 512),
        conv_cfg=dict(type='DCNv2')),
    bbox_head=dict(feat_channels=256, branch_init='dla'))
