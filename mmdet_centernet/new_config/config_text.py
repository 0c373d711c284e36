"""Fills the template of the config."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Template

from mmdet_centernet.new_config import template
from mmdet_centernet.new_config.settings import Settings
from mmdet_centernet.new_config.skeleton import SIGMA, Skeleton


@dataclass(frozen=True)
class Files:
    """Paths of a split, relative to the folder of the data.

    Attributes:
        annotations: COCO file.
        images: Folder that its file names are relative to, with a trailing slash, or
            empty.
    """

    annotations: str
    images: str


LINE = 80
WIDTH = 86
NUMBERS = (
    'image_scale',
    'crop_size',
    'batch_size',
    'wh_unit',
    'topk',
    'epochs',
    'iterations',
    'interval',
    'warm_up',
)
"""Settings that are written with `repr`."""


def config_text(root: str, files: Mapping[str, Files], settings: Settings) -> str:
    """Writes the config.

    Args:
        root: Absolute path of the folder of the data, with a trailing slash.
        files: Files of ``train``, ``val`` and perhaps ``test``, relative to ``root``.
        settings: Settings of the config.

    Returns:
        The text of a config in Python.
    """
    names = {
        f'{split}_{what}': repr(path)
        for split, one in files.items()
        for what, path in (('file', one.annotations), ('images', one.images))
    }
    test = template.OWN_TEST if 'test' in files else template.SAME_TEST
    parts = pieces(settings.skeleton)
    text = Template(template.TEXT.replace('$test', test)).safe_substitute(parts)
    return Template(text).substitute(
        names,
        folder=root.rstrip('/').rpartition('/')[2].encode('unicode_escape').decode(),
        root=repr(root),
        classes=_tuple(settings.classes),
        normalization=settings.backbone.normalization,
        backbone=_backbone(settings),
        in_channels=list(settings.backbone.in_channels),
        workers=settings.workers,
        log_interval=min(10, settings.iterations),
        **{name: repr(getattr(settings, name)) for name in NUMBERS},
    )


def _backbone(settings: Settings) -> str:
    """Returns the backbone's config, with ImageNet weights or a comment with them."""
    weights = settings.backbone.weights
    if not settings.pretrained:
        lines = weights.splitlines()
        note = '# ImageNet weights help with few images; mmengine downloads them:'
        weights = '\n        '.join([note, *(f'# {line.lstrip()}' for line in lines)])
    return Template(settings.backbone.config).substitute(weights=weights)


def _tuple(names: tuple[str, ...]) -> str:
    """Formats a tuple of names; one per line if they do not fit on one line."""
    text = repr(names)
    if len(f'classes = {text}') <= LINE:
        return text
    return ''.join(['(\n', *(f'    {name!r},\n' for name in names), ')'])


def pieces(skeleton: Skeleton | None) -> dict[str, str]:
    """Selects the parts of the config that depend on keypoints.

    Args:
        skeleton: Keypoints to train on; None for boxes alone.

    Returns:
        Templates by name.
    """
    if skeleton is None:
        return template.DETECTION
    problem, count = skeleton.flips.problem, len(skeleton.names)
    sigmas = '' if skeleton.is_coco else fill(template.SIGMAS, sigma=SIGMA, count=count)
    return dict(
        template.POSE,
        properties=fill(
            template.PROPERTIES,
            names=_comment(', '.join(f'{i} {n}' for i, n in enumerate(skeleton.names))),
            count=count,
            pairs=_pairs(skeleton.flips.pairs),
        ),
        flip=f'0.0),\n{_comment(fill(template.NO_FLIP, why=problem), 4)}'
        if problem
        else template.FLIP,
        tta=f"dict(type='CTDetTTAModel', flip={not problem})",
        evaluator=template.POSE['evaluator'].replace('$sigmas\n', sigmas),
    )


def fill(text: str, **values: object) -> str:
    """Fills a template."""
    return Template(text).substitute(values)


def _comment(text: str, indent: int = 0) -> str:
    """Wraps a text into comment lines and escapes it for `Template`."""
    start = ' ' * indent + '# '
    lines = textwrap.wrap(text, WIDTH - len(start), break_on_hyphens=False)
    return '\n'.join(start + line for line in lines).replace('$', '$$')


def _pairs(pairs: Iterable[tuple[int, int]]) -> str:
    """Formats pairs, on several lines if needed."""
    listed = textwrap.fill(f'[{", ".join(map(str, pairs))}]', WIDTH - 19)
    return listed.replace('\n', '\n' + ' ' * 20)
