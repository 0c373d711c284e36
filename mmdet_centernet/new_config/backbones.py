"""Backbones that a written config can have."""

from __future__ import annotations

from dataclasses import dataclass

CSPNEXT = """\
dict(
        type='CSPNeXt',
        deepen_factor=0.167,
        widen_factor=0.375,
        out_indices=(1, 2, 3, 4),
        $weights
        norm_cfg=norm_cfg,
        act_cfg=dict(type='SiLU', inplace=True))"""
RESNET = """\
dict(
        type='ResNet',
        depth={depth},
        norm_eval=False,
        $weights
        norm_cfg=norm_cfg)"""
RGB = """\
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,"""
BGR = """\
        mean=[103.53, 116.28, 123.675],  # ImageNet, BGR
        std=[57.375, 57.12, 58.395],
        bgr_to_rgb=False,"""
CSPNEXT_WEIGHTS = """\
init_cfg=dict(
            type='Pretrained',
            prefix='backbone.',
            checkpoint='https://download.openmmlab.com/mmdetection/v3.0/rtmdet/'
            'cspnext_rsb_pretrain/cspnext-tiny_imagenet_600e.pth'),"""


@dataclass(frozen=True)
class Backbone:
    """A backbone and what depends on it.

    Attributes:
        title: Name in messages.
        config: Its config; ``$weights`` stands for ``weights`` or a comment.
        in_channels: Channels of its maps of stride 4, 8, 16 and 32.
        weights: Argument that loads ImageNet weights.
        normalization: Arguments of the data preprocessor that fit the weights.
        kilobytes_per_pixel: Memory of a training step per pixel of the batch, with the
            neck and head of the config.
    """

    title: str
    config: str
    in_channels: tuple[int, ...]
    weights: str
    normalization: str
    kilobytes_per_pixel: float


def _resnet(depth: int, kilobytes_per_pixel: float) -> Backbone:
    times = 4 if depth >= 50 else 1  # bottleneck blocks
    return Backbone(
        title=f'ResNet-{depth}',
        config=RESNET.format(depth=depth),
        in_channels=tuple(channels * times for channels in (64, 128, 256, 512)),
        weights=(
            f"init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet{depth}'),"
        ),
        normalization=RGB,
        kilobytes_per_pixel=kilobytes_per_pixel,
    )


DEFAULT_BACKBONE = 'cspnext-tiny'
# The memory is an upper estimate. Measured on a CPU as what batches of 8 images of
# 320 x 256 take beyond batches of 4: 0.9 for CSPNeXt; 0.7, 1.1, 2.2, 3.4 and 4.1 up to
# ResNet-152.
BACKBONES = {
    'cspnext-tiny': Backbone(
        title='CSPNeXt-tiny (RTMDet-tiny)',
        config=CSPNEXT,
        in_channels=(48, 96, 192, 384),
        weights=CSPNEXT_WEIGHTS,
        normalization=BGR,
        kilobytes_per_pixel=1.2,
    ),
    **{
        f'resnet{depth}': _resnet(depth, kilobytes)
        for depth, kilobytes in {18: 1.0, 34: 1.5, 50: 3.0, 101: 4.5, 152: 6.0}.items()
    },
}


def find_backbone(name: str) -> Backbone:
    """Looks up a backbone.

    Raises:
        ValueError: If the name is unknown.
    """
    found = BACKBONES.get(name.lower())
    if found is None:
        raise ValueError(
            f'--backbone {name}: choose from {", ".join(BACKBONES)}. For another one, '
            'write the config with one of these, then edit model.backbone, and '
            'in_channels of model.neck: the channels of the maps of stride 4, 8, 16 '
            'and 32'
        )
    return found
