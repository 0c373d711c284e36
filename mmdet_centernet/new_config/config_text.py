"""The config as a text that a person goes on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from mmdet_centernet.new_config.pieces import pieces
from mmdet_centernet.new_config.settings import Settings


@dataclass(frozen=True)
class Files:
    """Where the data of a split lie.

    Attributes:
        annotations: The COCO file.
        photos: Folder that its file names count from, with a slash at its end, or
            empty.
    """

    annotations: str
    photos: str


LINE = 80
NUMBERS = (
    'image_scale',
    'crop_size',
    'batch_size',
    'depth',
    'in_channels',
    'wh_unit',
    'peaks',
    'epochs',
    'iterations',
    'interval',
    'warm_up',
)
"""Settings that stand in the config as they are."""

TEXT = """\
# CenterNet for the data in $folder, written by new_config. Everything may be edited;
# `mmdet_centernet browse-targets` shows what the head is taught, and what looks wrong.
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)
custom_hooks = [dict(type='NumClassCheckHook')]

# data; the classes stand in the order of the categories of the json
data_root = $root
classes = $classes$properties
# Photos are fitted into this width and height. Larger finds smaller objects, and takes
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
        data_prefix=dict(img=$train_photos),
        pipeline=train_pipeline))
val_dataloader = dict(
    train_dataloader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        dataset,
        ann_file=$val_file,
        data_prefix=dict(img=$val_photos),
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
    # Detections of a photo: more than there are objects on the fullest one.
    test_cfg=dict(topk=$peaks, local_maximum_kernel=3, max_per_img=$peaks))

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
# The learning rate is meant for 8 photos a step and follows the batch that is run.
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
        data_prefix=dict(img=$test_photos)))
test_evaluator = $own_test"""
SAME_TEST = """\
test_dataloader = val_dataloader  # there is no test set
test_evaluator = val_evaluator"""


def config_text(root: str, files: Mapping[str, Files], settings: Settings) -> str:
    """Write the config.

    Args:
        root: Absolute path of the folder of the data, with a slash at its end.
        files: ``train``, ``val`` and perhaps ``test`` to their files, from ``root`` on.
        settings: What it is filled with.

    Returns:
        Python, as mmengine reads it.
    """
    names = {
        f'{split}_{what}': repr(path)
        for split, one in files.items()
        for what, path in (('file', one.annotations), ('photos', one.photos))
    }
    test = OWN_TEST if 'test' in files else SAME_TEST
    parts = pieces(settings.skeleton)
    text = Template(TEXT.replace('$test', test)).safe_substitute(parts)
    return Template(text).substitute(
        names,
        folder=root.rstrip('/').rpartition('/')[2].encode('unicode_escape').decode(),
        root=repr(root),
        classes=_tuple(settings.classes),
        weights=_weights(settings),
        workers=settings.workers,
        log_interval=min(10, settings.iterations),
        **{name: repr(getattr(settings, name)) for name in NUMBERS},
    )


def _weights(settings: Settings) -> str:
    """The line that loads weights of ImageNet, or one that says how to."""
    name = f'torchvision://resnet{settings.depth}'
    line = f"init_cfg=dict(type='Pretrained', checkpoint='{name}'),"
    if settings.pretrained:
        return f'{line}  # is downloaded'
    return (
        f'# Helps with few photos; needs torchvision and a download:\n        # {line}'
    )


def _tuple(names: tuple[str, ...]) -> str:
    """Names as Python has them; each on a line of its own where one is too short."""
    text = repr(names)
    if len(f'classes = {text}') <= LINE:
        return text
    return ''.join(['(\n', *(f'    {name!r},\n' for name in names), ')'])
