# mmdet's CenterNet with this package's head. Data, network, schedule and targets are
# mmdet's: its released weights load strictly and keep their AP.
_base_ = [
    'mmdet::centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
    '../_base_/ctdet_plugin.py',
]

model = dict(
    bbox_head=dict(
        type='CTDetHead',
        loss_center_heatmap=dict(type='GaussianFocalLossWithLogits')),
    train_cfg=dict(
        _delete_=True,  # mmdet's is None
        assigner=dict(type='CenterNetTargetAssigner', radius_rule='mmdet')))

# The learning rate is for 8 GPUs x 16 images and is scaled to the actual batch size.
auto_scale_lr = dict(enable=True)

# Test-time augmentation: mmdet's pipeline with the paper's scales. The model flips, so
# the flipped images of mmdet's pipeline are not needed.
tta_model = dict(_delete_=True, type='CTDetTTAModel')
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(type='Resize', scale_factor=scale)
    for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
]
tta_pipeline[1].transforms[-1][0].meta_keys = (
    'img_id', 'img_path', 'ori_shape', 'img_shape', 'border',
    'homography_matrix')
