"""Lines for the user: what was found and chosen, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmdet_centernet.data_report.findings import some
from mmdet_centernet.data_report.images import find_duplicates
from mmdet_centernet.new_config import choices
from mmdet_centernet.new_config.checks import count_boxes
from mmdet_centernet.new_config.listing import OWN_FOLDER
from mmdet_centernet.new_config.resources import Memory
from mmdet_centernet.new_config.settings import (
    Measures,
    Options,
    Settings,
    find_too_small,
)
from mmdet_centernet.new_config.skeleton import SIGMA, Skeleton, read_points
from mmdet_centernet.new_config.split import VAL_SHARE, Split

WIDTH = 12
MANY = 10
"""Number of classes that are listed by name."""
GIVEN = 'as given'


def line(name: str, text: str) -> str:
    """Formats a line with its name in the first column."""
    return f'{name:{WIDTH}}{text}'


def describe_data(
    kind: str,
    root: Path,
    found: Mapping[str, Split],
    splits: Mapping[str, Split],
    seed: int,
) -> Iterator[str]:
    """Describes the splits and the files that were written for them.

    Args:
        kind: Format of the annotations.
        root: Folder of the data.
        found: Splits as they were found.
        splits: Splits that the config uses.
        seed: Seed of the division into train and val.
    """
    yield line('data', f'{kind} in {root}')
    for name, split in splits.items():
        yield line('', f'{name}: {_describe_split(split)}, {split.source}')
    if 'val' not in found:
        yield line(
            '',
            f'one set, split by chance (--seed {seed}): {VAL_SHARE:.0%} for val; equal '
            'images stay together',
        )
    if any(
        split.source.is_relative_to(root / OWN_FOLDER)
        for split in splits.values()
        if split.source
    ):
        yield line(
            '',
            f'this command wrote the COCO files in {OWN_FOLDER}/; to change boxes, '
            'edit the original files and run it again',
        )
    yield from _twins(splits)


def _describe_split(split: Split) -> str:
    images, annotations = (split.content[part] for part in ('images', 'annotations'))
    empty = len(images) - len({annotation['image_id'] for annotation in annotations})
    without = f' ({empty:,} without boxes: background)' if empty else ''
    return f'{len(images):,} images{without}, {len(annotations):,} boxes'


def _twins(splits: Mapping[str, Split]) -> Iterator[str]:
    for twins in find_duplicates({name: split.paths for name, split in splits.items()}):
        yield line(
            'WARNING',
            f'{len(twins.paths)} images are in both {" and ".join(twins.splits)}, such '
            f'as {" = ".join(twins.paths[0])}: metrics on images that training or '
            'the choice of a checkpoint has used are too high',
        )


def describe_classes(
    splits: Mapping[str, Split], classes: Sequence[str]
) -> Iterator[str]:
    """Lists the classes with their training boxes, and the categories left out."""
    ids = count_boxes([splits['train']])
    counts: Counter[str] = Counter()
    for category in splits['train'].content['categories']:
        counts[category['name']] += ids[category['id']]
    named = ', '.join(f'{name} ({counts[name]:,})' for name in classes[:MANY])
    more = f' and {len(classes) - MANY} more' if len(classes) > MANY else ''
    yield line(
        'classes',
        f'{len(classes)}, in the order of their labels, with boxes in train: '
        f'{named}{more}',
    )
    rest = [name for name in counts if name not in classes]
    if rest:
        yield line(
            '', f'{len(rest)} left out, without a box in any split: {", ".join(rest)}'
        )
    absent = [name for name in classes if not counts[name]]
    if absent:
        yield line('WARNING', f'train has no box of: {", ".join(absent)}')


def describe_settings(
    settings: Settings, measures: Measures, options: Options, memory: Memory
) -> Iterator[str]:
    """Gives each setting with its reason."""
    yield from _describe_input(settings, measures, options)
    yield line('batch', _describe_batch(settings, options, memory))
    yield line('epochs', _describe_epochs(settings, options, memory))
    yield line(
        'network',
        settings.backbone.title
        + (
            ' from ImageNet weights'
            if settings.pretrained
            else ' from scratch (--pretrained loads ImageNet weights)'
        )
        + '; FinestFPN neck, which keeps the detail of small objects',
    )
    yield line(
        'recipe',
        'fast: all cells under a Gaussian learn the box (GIoU); wh_unit is '
        f'{settings.wh_unit:g} cells, about half the size of the largest objects',
    )
    yield line(
        'learning',
        f'rate 2e-3 for 4 images per step, scaled to the batch; {settings.warm_up} '
        'steps of warm-up, then cosine decay',
    )
    if settings.topk > choices.TOPK:
        yield line(
            'detections',
            f'at most {settings.topk} per image: the fullest has '
            f'{measures.max_objects} objects',
        )


def describe_decoding(
    times: float, decoding: float, step: float, num_images: int
) -> str:
    """Describes the cost of decoding images that are much larger than the input.

    Args:
        times: Pixels of an image per pixel of the input.
        decoding: CPU seconds to decode an image.
        step: Seconds of a training step per image.
        num_images: Images in an epoch.
    """
    return line(
        'decoding',
        f'images have {times:.0f} times the pixels of the input: {decoding:.2f} s '
        f'to decode each, per epoch {decoding * num_images:.0f} s beside '
        f'{step * num_images:.0f} s of training ({decoding / (decoding + step):.0%} of '
        'the work). --shrink writes smaller copies once',
    )


def _describe_input(
    settings: Settings, measures: Measures, options: Options
) -> Iterator[str]:
    width, height = settings.image_scale
    image = 'x'.join(f'{side:g}' for side in np.median(measures.image_sizes, axis=0))
    small = find_too_small(measures, settings.image_scale)
    why = GIVEN if options.image_scale else _why_input(settings, measures)
    yield line('input', f'{width} x {height} for images of {image}: {why}')
    yield line(
        '',
        f'{small.mean():.1%} of {len(measures.sides):,} objects have fewer than '
        f'{choices.CELLS} cells ({choices.CELLS * choices.STRIDE} pixels) on their '
        'shorter side at this size and are harder to detect',
    )
    if small.any():
        yield line('', f'by class: {_by_class(measures.names, small)}')
    if small.mean() > choices.TOO_SMALL:
        yield line(
            'WARNING',
            'many objects are small: cut the images into tiles, or give a larger '
            '--image-scale',
        )
    if measures.num_ignored:
        yield line(
            '',
            f'{measures.num_ignored:,} boxes of train are not trained on: crowds, '
            'thinner than a pixel, or outside their image',
        )


def _by_class(names: np.ndarray, small: np.ndarray) -> str:
    """Lists the classes with small objects, the largest share first."""
    shares = {str(name): small[names == name].mean() for name in np.unique(names)}
    ordered = sorted(shares, key=lambda name: -shares[name])
    found = [
        f'{name} {shares[name]:.1%} of {(names == name).sum():,}'
        for name in ordered
        if shares[name]
    ]
    return some(found, MANY)


def _why_input(settings: Settings, measures: Measures) -> str:
    needed = choices.needed_side(measures.sides, measures.image_size_of_object)
    longer = max(settings.image_scale)
    text = (
        f'{needed:.0f} pixels or more give nine of ten objects at least '
        f'{choices.CELLS} cells'
    )
    if longer < needed:
        if longer == choices.MOST_SIDE:
            return f'{text}; the largest size chosen automatically is {longer}'
        return f'{text}, but the images are smaller'
    if longer == choices.LEAST_SIDE:
        return f'{text}; the smallest size chosen automatically is {longer}'
    return f'{text}, rounded up to a multiple of {choices.MULTIPLE}'


def _describe_batch(settings: Settings, options: Options, memory: Memory) -> str:
    device = 'GPU' if memory.on_gpu else 'CPU'
    if options.batch_size:
        return f'{settings.batch_size} images, {GIVEN}'
    most = choices.MOST_ON_GPU if memory.on_gpu else choices.MOST_ON_CPU
    pixels = settings.crop_size[0] * settings.crop_size[1]
    image = pixels * settings.backbone.kilobytes_per_pixel / 1024
    return (
        f'{settings.batch_size} images on a {device}: about {image:.0f} MB each, '
        f'within half of {memory.free / 2**30:.1f} GB of free memory, at most {most}'
    )


def _describe_epochs(settings: Settings, options: Options, memory: Memory) -> str:
    aim = choices.STEPS_ON_GPU if memory.on_gpu else choices.STEPS_ON_CPU
    total = settings.epochs * settings.iterations
    why = (
        GIVEN
        if options.epochs
        else f'for about {aim:,} steps, within {choices.LEAST_EPOCHS} to '
        f'{choices.MOST_EPOCHS} epochs'
    )
    return (
        f'{settings.epochs} of {settings.iterations:,} steps, {total:,} steps: {why}; '
        f'validation every {settings.interval}'
    )


HINT = line('hint', 'categories name keypoints: --task pose trains on them as well')
MANY_KEYPOINTS = 20
"""Number of keypoints that are listed by name."""


def describe_keypoints(
    skeleton: Skeleton, splits: Mapping[str, Split]
) -> Iterator[str]:
    """Describes the keypoints, their labels, flip pairs and sigmas."""
    names, pairs, problem = skeleton.names, *skeleton.flips
    yield line('keypoints', f'{len(names)}: {some(names, MANY_KEYPOINTS)}')
    for name, split in splits.items():
        yield line('', f'{name}: {_describe_labels(split, len(names))}')
        yield from _describe_missing(split)
    exchanged = some([f'{names[a]} with {names[b]}' for a, b in pairs], MANY_KEYPOINTS)
    if problem:
        yield line('flips', f'off: {problem}')
        yield line('', 'to turn flips on, set flip_pairs, prob=0.5 and flip=True')
    else:
        yield line(
            'flips',
            f'on; by their names they exchange {exchanged or "no keypoints"}; if that '
            'is wrong, edit flip_pairs',
        )
    yield line('sigmas', _describe_sigmas(skeleton))


def _describe_labels(split: Split, count: int) -> str:
    labeled = ~np.isnan(read_points(split, count)).any(axis=2)  # (N, J)
    without = int((~labeled.any(axis=1)).sum())
    text = f'{labeled.sum():,} labels on {len(labeled):,} objects'
    return f'{text}; {without:,} have only a box' if without else text


def _describe_missing(split: Split) -> Iterator[str]:
    missing = [
        str(annotation['id'])
        for annotation in split.content['annotations']
        if annotation.get('keypoints') is None and not annotation.get('iscrowd')
    ]
    if missing:
        yield line('', f'no field "keypoints" in the annotations {some(missing)}')


def _describe_sigmas(skeleton: Skeleton) -> str:
    if skeleton.is_coco:
        return "COCO's, since the names are those of COCO's 17 keypoints"
    return (
        f'{SIGMA} for all, since only those of COCO persons are known: an error of '
        f'{SIGMA:.0%} of the square root of the area has an OKS of 0.88'
    )
