"""Text of the config, for `string.Template`."""

TEXT = """\
# CenterNet for the data in $folder, written by `mmdet_centernet new-config`; edit it
# freely. `mmdet_centernet browse-targets` draws the targets and checks the data.
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)
custom_hooks = [dict(type='NumClassCheckHook')]

# data; classes are in the order of the categories of the json
data_root = $root
classes = $classes$properties
# Images are fitted into this width and height. Larger values detect smaller objects and
# take more time and memory. Change crop_size with it (width, height; multiples of 32).
image_scale = $image_scale
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),$load
    dict(
        type='RandomResize',
        scale=image_scale, ratio_range=(0.8, 1.3), keep_ratio=True),
    dict(type='RandomCrop', crop_size=$crop_size, allow_negative_crop=True),
    dict(type='RandomFlip', prob=$flip
    dict(type='$pack'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),$load
    dict(type='$pack'),
]
# Test-time augmentation (`test --tta`): these scales, each with its flipped image.
tta_model = $tta
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=image_scale, keep_ratio=True),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=factor) for factor in (0.75, 1.0, 1.25)],
        [dict(type='LoadAnnotations', with_bbox=True)],$load_tta
        [dict(
            type='$pack',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                       'homography_matrix'))],
    ]),
]
dataset = $dataset
train_dataloader = dict(
    batch_size=$batch_size,  # halve it if memory runs out
    num_workers=$workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        dataset,
        ann_file=$train_file,
        data_prefix=dict(img=$train_images),
        pipeline=train_pipeline))
val_dataloader = dict(
    train_dataloader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        dataset,
        ann_file=$val_file,
        data_prefix=dict(img=$val_images),
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = $evaluator
$test

# model
norm_cfg = dict(type='BN')
model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
$normalization
        pad_size_divisor=32),
    backbone=$backbone,
    # The stride-4 level of an FPN, which keeps the detail of small objects.
    neck=dict(
        type='FinestFPN',
        in_channels=$in_channels,
        out_channels=64,
        norm_cfg=norm_cfg,
        smooth_convs=1,
        upsample_cfg=dict(mode='bilinear', align_corners=False)),
    bbox_head=dict(
        type='CTDetHead',
        num_classes=len(classes),
        in_channels=64,
        feat_channels=64,
        stacked_convs=3,  # shared by all branches
        norm_cfg=norm_cfg,
        branch_init='dla',$head
        # All cells under a Gaussian, not only the center, learn the box of its object.
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        wh_unit=$wh_unit),  # cells; about half the size of the largest objects
    # Keep the full size of boxes at the border, and clip the predicted ones instead.
    train_cfg=dict(
        assigner=dict(type='CenterNetTargetAssigner', clip_boxes=False)),
    # Detections per image: more than there are objects on any image.
    test_cfg=dict(
        topk=$topk, local_maximum_kernel=3, max_per_img=$topk, clip_border=True))

# schedule
max_epochs = $epochs  # of $iterations steps; twice as many often raise AP a little
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=$interval)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=$warm_up),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs, eta_min=1e-5, convert_to_iter_based=True),
]
# The learning rate is for 4 images per step and is scaled to the actual batch size.
auto_scale_lr = dict(enable=True, base_batch_size=4)

default_hooks = dict(
    label_names=dict(type='LabelNamesHook'),  # class names in the order of the json
    logger=dict(interval=$log_interval),
    checkpoint=dict(interval=$interval, max_keep_ckpts=2, save_best='coco/$best'))
$visualizer"""

OWN_TEST = """\
test_dataloader = dict(
    val_dataloader,
    dataset=dict(
        val_dataloader['dataset'],
        ann_file=$test_file,
        data_prefix=dict(img=$test_images)))
test_evaluator = $own_test"""
SAME_TEST = """\
test_dataloader = val_dataloader  # no test set
test_evaluator = val_evaluator"""

DETECTION = dict(
    properties='',
    load='',
    load_tta='',
    pack='PackDetInputs',
    flip='0.5),  # 0 if a flip changes objects, such as digits',
    tta="dict(type='CTDetTTAModel')  # flip=False if a flip changes objects",
    dataset="""\
dict(type='CocoDataset', data_root=data_root, metainfo=dict(classes=classes))""",
    evaluator="""\
dict(
    type='CocoMetric', metric='bbox', ann_file=data_root + $val_file)""",
    own_test='dict(val_evaluator, ann_file=data_root + $test_file)',
    head='',
    best='bbox_mAP',
    visualizer='',
)
"""Parts of a config for boxes."""

POSE = dict(
    load="\n    dict(type='LoadProperties', properties=properties),",
    load_tta="\n        [dict(type='LoadProperties', properties=properties)],",
    pack='PackPropertyInputs',
    dataset="""\
dict(
    type='CocoPropertyDataset',
    properties=properties,
    data_root=data_root,
    metainfo=dict(classes=classes))""",
    evaluator="""\
[
    dict(type='CocoMetric', metric='bbox', ann_file=data_root + $val_file),
    dict(
        type='CocoKeypointMetric',
$sigmas
        ann_file=data_root + $val_file),
]""",
    own_test='[dict(one, ann_file=data_root + $test_file) for one in val_evaluator]',
    head="""
        properties=properties,
        # Heatmaps of the keypoints themselves, which refine their positions.
        point_sets=dict(joint=dict(type='JointPoints')),""",
    best='keypoints_mAP',
    visualizer="""
visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
""",
)
"""Parts of a config for boxes and keypoints."""

PROPERTIES = """
# Predicted per object besides the box. Keypoints, counted from 0:
$names
# flip_pairs are left and right: a flip exchanges them.
properties = dict(
    keypoints=dict(
        type='KeypointsProperty',
        num_points=$count,
        flip_pairs=$pairs,
        unit=$$wh_unit))  # cells, like wh_unit below"""
FLIP = '0.5),  # exchanges flip_pairs'
NO_FLIP = (
    '$why. To flip, set flip_pairs above, prob=0.5 here and flip=True in tta_model.'
)
SIGMAS = """\
        # An error of this share of the square root of the area has an OKS of 0.88.
        sigmas=[$sigma] * $count,
"""
