"""The text of a config, as `string.Template` fills it."""

TEXT = """\
# CenterNet for the data in $folder, written by new_config. Everything may be edited;
# `mmdet_centernet browse-targets` shows what the head is taught, and what looks wrong.
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)
custom_hooks = [dict(type='NumClassCheckHook')]

# data; the classes stand in the order of the categories of the json
data_root = $root
classes = $classes$properties
# Images are fitted into this width and height. Larger finds smaller objects, and takes
# more time and memory; change crop_size with it (width, height: multiples of 32).
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
# `test --tta` averages over these scales and the mirror images of each.
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
    batch_size=$batch_size,  # halve it where memory is short
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
model = dict(
    type='CenterNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],  # of ImageNet
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='ResNet',
        depth=$depth,
        norm_eval=False,
        $weights
        norm_cfg=dict(type='BN')),
    # The stride-4 level of an FPN: it sees detail, which small objects need.
    neck=dict(
        type='FinestFPN',
        in_channels=$in_channels,
        out_channels=64,
        norm_cfg=dict(type='BN')),
    bbox_head=dict(
        type='CTDetHead',
        num_classes=len(classes),
        in_channels=64,
        feat_channels=64,$head
        # All cells under a Gaussian learn the box of its object, not the centre alone.
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        wh_unit=$wh_unit),  # in cells: about half of the largest objects
    # Detections of an image: more than there are objects on the fullest one.
    test_cfg=dict(topk=$topk, local_maximum_kernel=3, max_per_img=$topk))

# schedule
max_epochs = $epochs  # $iterations steps each; twice as many often bring a little more
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
# The learning rate is meant for 8 images a step and follows the batch that is run.
auto_scale_lr = dict(enable=True, base_batch_size=8)

default_hooks = dict(
    label_names=dict(type='LabelNamesHook'),  # in the order of the json
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
test_dataloader = val_dataloader  # there is no test set
test_evaluator = val_evaluator"""

DETECTION = dict(
    properties='',
    load='',
    load_tta='',
    pack='PackDetInputs',
    flip='0.5),  # 0 for what a mirror changes, such as digits',
    tta="dict(type='CTDetTTAModel')  # flip=False where a mirror changes objects",
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
"""Boxes alone."""

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
        # Heatmaps of the keypoints themselves, which make their positions exact.
        point_sets=dict(joint=dict(type='JointPoints')),""",
    best='keypoints_mAP',
    visualizer="""
visualizer = dict(type='CTDetLocalVisualizer', properties=properties)
""",
)
"""Boxes and keypoints."""

PROPERTIES = """
# Learned of each object beside its box. Keypoints, counted from 0:
$names
# Those of a pair change names when an image is flipped: left and right.
properties = dict(
    keypoints=dict(
        type='KeypointsProperty',
        num_points=$count,
        flip_pairs=$pairs,
        unit=$$wh_unit))  # in cells, as wh_unit below"""
FLIP = '0.5),  # exchanges flip_pairs'
NO_FLIP = '$why. Else: flip_pairs above, 0.5 here and flip=True of tta_model.'
SIGMAS = """\
        # Apart by this share of the root of the area, a keypoint counts 0.88.
        sigmas=[$sigma] * $count,
"""
