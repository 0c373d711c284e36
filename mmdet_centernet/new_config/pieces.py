"""The parts of a config that depend on what is learned."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from string import Template

from mmdet_centernet.new_config.skeleton import SIGMA, Skeleton

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
WIDTH = 86


def pieces(skeleton: Skeleton | None) -> dict[str, str]:
    """The parts of a config.

    Args:
        skeleton: The keypoints that are learned; None for boxes alone.

    Returns:
        Templates, which name other settings.
    """
    if skeleton is None:
        return DETECTION
    doubt, count = skeleton.sides.doubt, len(skeleton.names)
    sigmas = '' if skeleton.is_coco else fill(SIGMAS, sigma=SIGMA, count=count)
    return dict(
        POSE,
        properties=fill(
            PROPERTIES,
            names=_comment(', '.join(f'{i} {n}' for i, n in enumerate(skeleton.names))),
            count=count,
            pairs=_pairs(skeleton.sides.pairs),
        ),
        flip=f'0.0),\n{_comment(fill(NO_FLIP, why=doubt), 4)}' if doubt else FLIP,
        tta=f"dict(type='CTDetTTAModel', flip={not doubt})",
        evaluator=POSE['evaluator'].replace('$sigmas\n', sigmas),
    )


def fill(text: str, **values: object) -> str:
    """A template with some of its names filled in."""
    return Template(text).substitute(values)


def _comment(text: str, indent: int = 0) -> str:
    """Lines of a comment, in which nothing is to be filled in."""
    start = ' ' * indent + '# '
    lines = textwrap.wrap(text, WIDTH - len(start), break_on_hyphens=False)
    return '\n'.join(start + line for line in lines).replace('$', '$$')


def _pairs(pairs: Iterable[tuple[int, int]]) -> str:
    """Pairs as Python has them, on several lines if one is too short."""
    listed = textwrap.fill(f'[{", ".join(map(str, pairs))}]', WIDTH - 19)
    return listed.replace('\n', '\n' + ' ' * 20)
