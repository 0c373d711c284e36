# mmdet's own CenterNet with this package's head: data, network, schedule and targets are
# mmdet's, so its released weights load strictly and keep their AP.
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

# The learning rate is meant for 8 GPUs x 16 images and follows the batch that is run.
auto_scale_lr = dict(enable=True)
