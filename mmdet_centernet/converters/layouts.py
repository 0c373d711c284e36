"""Tables from tensor names of official networks to the names of this package."""

from __future__ import annotations

from mmdet_centernet.models.dla_imagenet import DLA, DLA_DEAD
from mmdet_centernet.renaming.tables import (
    BIASED,
    BLOCK,
    BOTTLENECK,
    CONV,
    CONV_NORM,
    DEFORMED,
    NORM,
    PROJECTION,
    UNNAMED,
    Layout,
    Names,
    join,
    kept,
    numbers,
    table,
)

BRANCHES = {'hm': 'heatmap_head', 'wh': 'wh_head', 'reg': 'offset_head'}
JOINTS = BRANCHES | {'hps': 'keypoints_head'}
JOINT_HEAT = JOINTS | {'hm_hp': 'joint_heatmap_head'}
POSE = JOINT_HEAT | {'hp_offset': 'joint_offset_head'}


def _head(branches: Names) -> Names:
    """Makes the table of a head with these branches."""
    return table(
        *(
            (f'{official}.{{0,2}}', f'bbox_head.{ours}.{{0,2}}', BIASED)
            for official, ours in branches.items()
        )
    )


def _head_of_stacks(branches: Names) -> Names:
    """Makes the table of a head on two hourglass stacks."""
    return table(
        *(
            (
                f'{official}.{{0,1}}.{{0.conv,1}}',
                f'bbox_head.{ours}.{{0,1}}.{{0,2}}',
                BIASED,
            )
            for official, ours in branches.items()
        )
    )


RESNET_18 = table(
    kept('conv1', CONV),
    kept('bn1', NORM),
    kept('layer{1,2,3,4}.{0,1}', BLOCK),
    kept('layer{2,3,4}.0.downsample', PROJECTION),
)
RESNET_101 = table(
    kept('conv1', CONV),
    kept('bn1', NORM),
    kept(f'layer1.{numbers(0, 3)}', BOTTLENECK),
    kept(f'layer2.{numbers(0, 4)}', BOTTLENECK),
    kept(f'layer3.{numbers(0, 23)}', BOTTLENECK),
    kept(f'layer4.{numbers(0, 3)}', BOTTLENECK),
    kept('layer{1,2,3,4}.0.downsample', PROJECTION),
)
DECONV_NECK = table(
    ('deconv_layers.{0,3,6}', 'neck.deconv_layers.{0,1,2}.conv', CONV),
    ('deconv_layers.{1,4,7}', 'neck.deconv_layers.{0,1,2}.bn', NORM),
)
DEFORMED_NECK = table(
    ('deconv_layers.{0,6,12}', 'neck.deconv_layers.{0,2,4}.conv', DEFORMED),
    ('deconv_layers.{1,7,13}', 'neck.deconv_layers.{0,2,4}.bn', NORM),
    ('deconv_layers.{3,9,15}', 'neck.deconv_layers.{1,3,5}.conv', CONV),
    ('deconv_layers.{4,10,16}', 'neck.deconv_layers.{1,3,5}.bn', NORM),
)


def _merge(official: str, ours: str, num_maps: int) -> Names:
    """Makes the table of an aggregation of `num_maps` maps into another one."""
    counted, ours_counted = numbers(1, num_maps + 1), numbers(0, num_maps)
    steps = f'{official}.{{proj,node}}_{counted}'
    our_steps = f'{ours}.{{projects,nodes}}.{ours_counted}'
    return table(
        (f'{steps}.conv', f'{our_steps}.conv', DEFORMED),
        (f'{steps}.actf.0', f'{our_steps}.bn', NORM),
        (f'{official}.up_{counted}', f'{ours}.ups.{ours_counted}', CONV),
    )


DLA_UP = (
    _merge('dla_up.ida_0', 'neck.merges.0', 1)
    | _merge('dla_up.ida_1', 'neck.merges.1', 2)
    | _merge('dla_up.ida_2', 'neck.merges.2', 3)
    | _merge('ida_up', 'neck.last_merge', 2)
)

# Each hourglass but the first is nested in the previous one.
HOURGLASSES = '{,low2.,low2.low2.,low2.low2.low2.,low2.low2.low2.low2.}'
HOURGLASS_MODULE = table(
    kept(HOURGLASSES + '{up1,low1,low3}.{0,1}', BLOCK),
    kept('low2.low2.low2.low2.low2.{0,1,2,3}', BLOCK),
    (HOURGLASSES + 'low1.0.skip', HOURGLASSES + 'low1.0.downsample', PROJECTION),
    # Blocks of the upsampling path that change the number of channels.
    (
        '{low2,low2.low2.low2.low2}.low3.1.skip',
        '{low2,low2.low2.low2.low2}.low3.1.downsample',
        PROJECTION,
    ),
)
HOURGLASS = table(
    ('pre.0', 'stem.0', CONV_NORM),
    ('pre.1', 'stem.1.0', BLOCK),
    ('pre.1.skip', 'stem.1.0.downsample', PROJECTION),
    ('kps.{0,1}', 'hourglass_modules.{0,1}', HOURGLASS_MODULE),
    ('cnvs.{0,1}', 'out_convs.{0,1}', CONV_NORM),
    ('inters_.0', 'conv1x1s.0', UNNAMED),
    ('cnvs_.0', 'remap_convs.0', UNNAMED),
    kept('inters.0', BLOCK),
)

IN_DETECTOR_DEAD = {join('base', name): reason for name, reason in DLA_DEAD.items()}
RESDCN_18 = table(('', 'backbone', RESNET_18)) | DEFORMED_NECK
RESDCN_101 = table(('', 'backbone', RESNET_101)) | DEFORMED_NECK
DLA_34 = table(('base', 'backbone', DLA)) | DLA_UP
HOURGLASS_104 = table(('', 'backbone', HOURGLASS))

POSES = {'': POSE, '_no_hp_offset': JOINT_HEAT, '_no_hm_hp': JOINTS}
"""Branches of human pose networks, by the suffix of the name."""

OFFICIAL = {
    'res_18': Layout(
        table(('', 'backbone', RESNET_18)) | DECONV_NECK | _head(BRANCHES)
    ),
    'resdcn_18': Layout(RESDCN_18 | _head(BRANCHES)),
    'resdcn_101': Layout(RESDCN_101 | _head(BRANCHES)),
    'dla_34': Layout(DLA_34 | _head(BRANCHES), IN_DETECTOR_DEAD),
    'hourglass': Layout(HOURGLASS_104 | _head_of_stacks(BRANCHES)),
    **{
        f'pose_dla_34{ending}': Layout(DLA_34 | _head(branches), IN_DETECTOR_DEAD)
        for ending, branches in POSES.items()
    },
    **{
        f'pose_hourglass{ending}': Layout(HOURGLASS_104 | _head_of_stacks(branches))
        for ending, branches in POSES.items()
    },
}
