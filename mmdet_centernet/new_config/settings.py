"""The settings of a config, chosen from measures of the data or given by the user."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_centernet.new_config import choices
from mmdet_centernet.new_config.checks import corners_and_limits, sizes
from mmdet_centernet.new_config.resources import Memory
from mmdet_centernet.new_config.skeleton import Skeleton
from mmdet_centernet.new_config.split import Split

LEAST = 1
"""Pixels: mmdet leaves out boxes that are thinner."""


@dataclass(frozen=True)
class Measures:
    """Numbers about the images of training.

    Attributes:
        image_sizes: (I, 2) width and height of the images.
        sides: (N, 2) shorter and longer side of the objects that can be learned.
        image_size_of_object: (N, 2) width and height of the image of each object.
        names: (N,) class of each object.
        max_objects: Objects on the image that has most of them.
        num_ignored: Boxes that are not learned: crowds, and what lies outside the
            image or is thinner than a pixel.
    """

    image_sizes: np.ndarray
    sides: np.ndarray
    image_size_of_object: np.ndarray
    names: np.ndarray
    max_objects: int
    num_ignored: int


def measure(split: Split) -> Measures:
    """Measure the images and objects of a split."""
    boxes, limits = corners_and_limits(split)
    annotations = split.content['annotations']
    sides = np.sort(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = (boxes[:, :2] < limits).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    crowd = np.array(
        [bool(n.get('iscrowd') or n.get('ignore')) for n in annotations], bool
    )
    kept = (sides[:, 0] >= LEAST) & inside & ~crowd
    counts = Counter(annotation['image_id'] for annotation in annotations)
    return Measures(
        image_sizes=sizes(split),
        sides=sides[kept],
        image_size_of_object=limits[kept],
        names=_names(split)[kept],
        max_objects=max(counts.values(), default=0),
        num_ignored=int((~kept).sum()),
    )


def _names(split: Split) -> np.ndarray:
    """(number of boxes,) names of their categories."""
    names = {one['id']: one['name'] for one in split.content['categories']}
    annotations = split.content['annotations']
    return np.array(
        [names[annotation['category_id']] for annotation in annotations], str
    )


BACKBONES = tuple(f'resnet{depth}' for depth in choices.KILOBYTES_A_PIXEL)


@dataclass(frozen=True)
class Options:
    """What was asked for; None where it is to be chosen.

    Attributes:
        image_scale: Width and height that images are fitted into.
        epochs: How often all images are trained on.
        batch_size: Images of a step.
        backbone: One of ``BACKBONES``.
        pretrained: Whether to start from weights of ImageNet.
        seed: Which images are for validation, where one set is split.
        shrink: Whether to write smaller copies of the images.
        pose: Whether to learn keypoints beside boxes.
    """

    image_scale: tuple[int, int] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    backbone: str = 'resnet18'
    pretrained: bool = False
    seed: int = 0
    shrink: bool = False
    pose: bool = False


@dataclass(frozen=True)
class Settings:
    """What the config is filled with.

    Attributes:
        classes: Names, in the order of the files.
        image_scale: Width and height that images are fitted into.
        crop_size: Width and height of the crops of training.
        batch_size: Images of a step.
        workers: Processes that read images.
        depth: Of the ResNet.
        pretrained: Whether it starts from weights of ImageNet.
        epochs: How often all images are trained on.
        iterations: Of an epoch.
        wh_unit: Cells in which the head gives widths and heights.
        topk: Detections of an image.
        skeleton: Keypoints that are learned; None for boxes alone.
    """

    classes: tuple[str, ...]
    image_scale: tuple[int, int]
    crop_size: tuple[int, int]
    batch_size: int
    workers: int
    depth: int
    pretrained: bool
    epochs: int
    iterations: int
    wh_unit: float
    topk: int
    skeleton: Skeleton | None = None

    @property
    def in_channels(self) -> list[int]:
        """Channels of the backbone's four maps, four times as many from depth 50 on."""
        times = 4 if self.depth >= 50 else 1
        return [channels * times for channels in (64, 128, 256, 512)]

    @property
    def warm_up(self) -> int:
        """Iterations in which the learning rate rises."""
        return choices.choose_warm_up(self.epochs * self.iterations)

    @property
    def interval(self) -> int:
        """Epochs from one validation to the next."""
        return choices.choose_val_interval(self.epochs)


def choose(
    classes: Sequence[str],
    measures: Measures,
    options: Options,
    memory: Memory,
    skeleton: Skeleton | None = None,
) -> Settings:
    """Choose what was not asked for.

    Args:
        classes: Names, in the order of the files.
        measures: Of the images of training.
        options: What was asked for.
        memory: Of the device.
        skeleton: Keypoints that are learned.

    Raises:
        ValueError: If no object can be learned, or a wish is no possible value.
    """
    if not len(measures.sides):
        raise ValueError(
            'no box of train can be learned: all are crowds, thinner than a pixel, or '
            'outside their image'
        )
    depth = backbone_depth(options.backbone)
    if options.image_scale and min(options.image_scale) < choices.MULTIPLE:
        raise ValueError(
            f'--image-scale {options.image_scale}: both sides have to have '
            f'{choices.MULTIPLE} pixels or more'
        )
    scale = options.image_scale or choices.choose_scale(
        measures.sides, measures.image_size_of_object, measures.image_sizes
    )
    crop = choices.choose_crop(scale, measures.image_sizes)
    batch_size = options.batch_size or choices.choose_batch_size(
        crop, depth, memory.free, on_gpu=memory.on_gpu
    )
    images = len(measures.image_sizes)
    factors = choices.scale_factors(measures.image_size_of_object, scale)
    return Settings(
        classes=tuple(classes),
        image_scale=scale,
        crop_size=crop,
        batch_size=batch_size,
        workers=4 if memory.on_gpu else 2,
        depth=depth,
        pretrained=options.pretrained,
        epochs=options.epochs
        or choices.choose_epochs(images, batch_size, on_gpu=memory.on_gpu),
        iterations=choices.iterations(images, batch_size),
        wh_unit=choices.choose_wh_unit(measures.sides[:, 1] * factors),
        topk=choices.choose_topk(measures.max_objects),
        skeleton=skeleton,
    )


def find_too_small(measures: Measures, scale: Sequence[int]) -> np.ndarray:
    """(N,) bool: which objects have fewer than two cells on the shorter side."""
    factors = choices.scale_factors(measures.image_size_of_object, scale)
    return choices.too_small(measures.sides, factors)


def backbone_depth(name: str) -> int:
    """The depth of a ResNet.

    Raises:
        ValueError: If it is another network, or a depth that mmdet does not have.
    """
    found = re.fullmatch(r'resnet(\d+)', name.lower())
    if not found or int(found[1]) not in choices.KILOBYTES_A_PIXEL:
        raise ValueError(
            f'--backbone {name}: {", ".join(BACKBONES)} can be written here. For '
            'another one write the config with one of them, then edit model.backbone, '
            'and in_channels of model.neck, which are the channels of its maps of '
            'stride 4, 8, 16 and 32'
        )
    return int(found[1])
