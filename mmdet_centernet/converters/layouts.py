"""Tables from tensor names of official networks to the names of this package.

The rows are ``(official name, our name, tensors inside)``. Braces list alternatives,
which correspond in order: ``('a{0,1}', 'b{x,y}', CONV)`` maps a0 to bx and a1 to by.
Several braces in a name combine as in a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

Names = dict[str, str]


@dataclass(frozen=True)
class Layout:
    """The tensors of a network.

    Attributes:
        names: Our name for each official name.
        dead: Official names without a counterpart, with the reason.
    """

    names: Names
    dead: Names = field(default_factory=dict)


def _table(*rows: tuple[str, str, Names]) -> Names:
    return {
        _join(official, leaf): _join(ours, our_leaf)
        for official_names, our_names, leaves in rows
        for official, ours in zip(
            _expand(official_names), _expand(our_names), strict=True
        )
        for leaf, our_leaf in leaves.items()
    }


def _kept(name: str, leaves: Names) -> tuple[str, str, Names]:
    """Makes a row for tensors with the same name in both."""
    return name, name, leaves


def _expand(name: str) -> list[str]:
    """Expands the braces of a name."""
    parts = re.split(r'\{(.*?)\}', name)
    options = [part.split(',') if i % 2 else [part] for i, part in enumerate(parts)]
    return [''.join(chosen) for chosen in product(*options)]


def _numbers(start: int, stop: int) -> str:
    """Formats range(start, stop) in braces."""
    return '{' + ','.join(map(str, range(start, stop))) + '}'


def _join(prefix: str, name: str) -> str:
    return f'{prefix}.{name}' if prefix else name


CONV = {'weight': 'weight'}
BIASED = CONV | {'bias': 'bias'}
NORM = BIASED | {
    name: name for name in ('running_mean', 'running_var', 'num_batches_tracked')
}
DEFORMED = BIASED | _table(('conv_offset_mask', 'conv_offset', BIASED))

CONV_NORM = _table(_kept('conv', CONV), _kept('bn', NORM))
UNNAMED = _table(('0', 'conv', CONV), ('1', 'bn', NORM))
PROJECTION = _table(_kept('0', CONV), _kept('1', NORM))
BLOCK = _table(_kept('conv{1,2}', CONV), _kept('bn{1,2}', NORM))
BOTTLENECK = _table(_kept('conv{1,2,3}', CONV), _kept('bn{1,2,3}', NORM))

BRANCHES = {'hm': 'heatmap_head', 'wh': 'wh_head', 'reg': 'offset_head'}
JOINTS = BRANCHES | {'hps': 'keypoints_head'}
JOINT_HEAT = JOINTS | {'hm_hp': 'joint_heatmap_head'}
POSE = JOINT_HEAT | {'hp_offset': 'joint_offset_head'}


def _head(branches: Names) -> Names:
    """Makes the table of a head with these branches."""
    return _table(
        *(
            (f'{official}.{{0,2}}', f'bbox_head.{ours}.{{0,2}}', BIASED)
            for official, ours in branches.items()
        )
    )


def _head_of_stacks(branches: Names) -> Names:
    """Makes the table of a head on two hourglass stacks."""
    return _table(
        *(
            (
                f'{official}.{{0,1}}.{{0.conv,1}}',
                f'bbox_head.{ours}.{{0,1}}.{{0,2}}',
                BIASED,
            )
            for official, ours in branches.items()
        )
    )


RESNET_18 = _table(
    _kept('conv1', CONV),
    _kept('bn1', NORM),
    _kept('layer{1,2,3,4}.{0,1}', BLOCK),
    _kept('layer{2,3,4}.0.downsample', PROJECTION),
)
RESNET_101 = _table(
    _kept('conv1', CONV),
    _kept('bn1', NORM),
    _kept(f'layer1.{_numbers(0, 3)}', BOTTLENECK),
    _kept(f'layer2.{_numbers(0, 4)}', BOTTLENECK),
    _kept(f'layer3.{_numbers(0, 23)}', BOTTLENECK),
    _kept(f'layer4.{_numbers(0, 3)}', BOTTLENECK),
    _kept('layer{1,2,3,4}.0.downsample', PROJECTION),
)
DECONV_NECK = _table(
    ('deconv_layers.{0,3,6}', 'neck.deconv_layers.{0,1,2}.conv', CONV),
    ('deconv_layers.{1,4,7}', 'neck.deconv_layers.{0,1,2}.bn', NORM),
)
DEFORMED_NECK = _table(
    ('deconv_layers.{0,6,12}', 'neck.deconv_layers.{0,2,4}.conv', DEFORMED),
    ('deconv_layers.{1,7,13}', 'neck.deconv_layers.{0,2,4}.bn', NORM),
    ('deconv_layers.{3,9,15}', 'neck.deconv_layers.{1,3,5}.conv', CONV),
    ('deconv_layers.{4,10,16}', 'neck.deconv_layers.{1,3,5}.bn', NORM),
)

TREES = (
    '{2,3.tree1,3.tree2,4.tree1,4.tree2,5}',
    '{2,3.tree1,4.tree1,5}',  # trees that change the number of channels
)
DLA = _table(
    ('base_layer', 'stem', UNNAMED),
    ('level{0,1}', 'levels.{0,1}', UNNAMED),
    (f'level{TREES[0]}.tree{{1,2}}', f'levels.{TREES[0]}.tree{{1,2}}', BLOCK),
    (f'level{TREES[0]}.root', f'levels.{TREES[0]}.root', CONV_NORM),
    (f'level{TREES[1]}.project.0', f'levels.{TREES[1]}.tree1.downsample.1', CONV),
    (f'level{TREES[1]}.project.1', f'levels.{TREES[1]}.tree1.downsample.2', NORM),
)


def _merge(official: str, ours: str, num_maps: int) -> Names:
    """Makes the table of an aggregation of `num_maps` maps into another one."""
    counted, ours_counted = _numbers(1, num_maps + 1), _numbers(0, num_maps)
    steps = f'{official}.{{proj,node}}_{counted}'
    our_steps = f'{ours}.{{projects,nodes}}.{ours_counted}'
    return _table(
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
HOURGLASS_MODULE = _table(
    _kept(HOURGLASSES + '{up1,low1,low3}.{0,1}', BLOCK),
    _kept('low2.low2.low2.low2.low2.{0,1,2,3}', BLOCK),
    (HOURGLASSES + 'low1.0.skip', HOURGLASSES + 'low1.0.downsample', PROJECTION),
    # Blocks of the upsampling path that change the number of channels.
    (
        '{low2,low2.low2.low2.low2}.low3.1.skip',
        '{low2,low2.low2.low2.low2}.low3.1.downsample',
        PROJECTION,
    ),
)
HOURGLASS = _table(
    ('pre.0', 'stem.0', CONV_NORM),
    ('pre.1', 'stem.1.0', BLOCK),
    ('pre.1.skip', 'stem.1.0.downsample', PROJECTION),
    ('kps.{0,1}', 'hourglass_modules.{0,1}', HOURGLASS_MODULE),
    ('cnvs.{0,1}', 'out_convs.{0,1}', CONV_NORM),
    ('inters_.0', 'conv1x1s.0', UNNAMED),
    ('cnvs_.0', 'remap_convs.0', UNNAMED),
    _kept('inters.0', BLOCK),
)

DLA_DEAD = dict.fromkeys(
    _expand('fc.{weight,bias}'), 'classifier of the pretraining, not part of a detector'
) | dict.fromkeys(
    _table(_kept('level{3,4}.project', PROJECTION)),
    'its output is unused: the inner tree projects the same input itself',
)

IMAGENET_DLA = Layout(DLA, DLA_DEAD)
IN_DETECTOR_DEAD = {_join('base', name): reason for name, reason in DLA_DEAD.items()}
RESDCN_18 = _table(('', 'backbone', RESNET_18)) | DEFORMED_NECK
RESDCN_101 = _table(('', 'backbone', RESNET_101)) | DEFORMED_NECK
DLA_34 = _table(('base', 'backbone', DLA)) | DLA_UP
HOURGLASS_104 = _table(('', 'backbone', HOURGLASS))

POSES = {'': POSE, '_no_hp_offset': JOINT_HEAT, '_no_hm_hp': JOINTS}
"""Branches of human pose networks, by the suffix of the name."""

OFFICIAL = {
    'res_18': Layout(
        _table(('', 'backbone', RESNET_18)) | DECONV_NECK | _head(BRANCHES)
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
