"""Chooses the settings of a config from the data and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_centernet.new_config import choices
from mmdet_centernet.new_config.backbones import (
    DEFAULT_BACKBONE,
    Backbone,
    find_backbone,
)
from mmdet_centernet.new_config.checks import corners_and_limits, sizes
from mmdet_centernet.new_config.resources import Memory
from mmdet_centernet.new_config.skeleton import Skeleton
from mmdet_centernet.new_config.split import Split

LEAST = 1
"""Pixels; mmdet drops thinner boxes."""


@dataclass(frozen=True)
class Measures:
    """Sizes of the training images and their objects.

    Attributes:
        image_sizes: (I, 2) width and height of the images.
        sides: (N, 2) shorter and longer side of the objects that are trained on.
        image_size_of_object: (N, 2) width and height of the image of each object.
        names: (N,) class of each object.
        max_objects: Largest number of objects on an image.
        num_ignored: Boxes that are not trained on: crowds, and boxes outside the image
            or thinner than a pixel.
    """

    image_sizes: np.ndarray
    sides: np.ndarray
    image_size_of_object: np.ndarray
    names: np.ndarray
    max_objects: int
    num_ignored: int


def measure(split: Split) -> Measures:
    """Measures the images and objects of a split."""
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
    """Returns the category name of each box: (number of boxes,)."""
    names = {one['id']: one['name'] for one in split.content['categories']}
    annotations = split.content['annotations']
    return np.array(
        [names[annotation['category_id']] for annotation in annotations], str
    )


@dataclass(frozen=True)
class Options:
    """Options of the user; None for values to choose.

    Attributes:
        image_scale: Width and height that images are fitted into.
        epochs: Number of epochs.
        batch_size: Images per step.
        backbone: A name in ``BACKBONES``.
        pretrained: Whether to start from ImageNet weights.
        seed: Seed for dividing one set into train and val.
        shrink: Whether to write smaller copies of the images.
        pose: Whether to train on keypoints as well.
    """

    image_scale: tuple[int, int] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    backbone: str = DEFAULT_BACKBONE
    pretrained: bool = False
    seed: int = 0
    shrink: bool = False
    pose: bool = False


@dataclass(frozen=True)
class Settings:
    """Settings of the config.

    Attributes:
        classes: Names, in the order of the files.
        image_scale: Width and height that images are fitted into.
        crop_size: Width and height of the training crops.
        batch_size: Images per step.
        workers: Worker processes of the data loaders.
        backbone: The backbone.
        pretrained: Whether it starts from ImageNet weights.
        epochs: Number of epochs.
        iterations: Steps of an epoch.
        wh_unit: Unit in cells of the head's widths and heights.
        topk: Detections per image.
        skeleton: Keypoints to train on; None for boxes alone.
    """

    classes: tuple[str, ...]
    image_scale: tuple[int, int]
    crop_size: tuple[int, int]
    batch_size: int
    workers: int
    backbone: Backbone
    pretrained: bool
    epochs: int
    iterations: int
    wh_unit: float
    topk: int
    skeleton: Skeleton | None = None

    @property
    def warm_up(self) -> int:
        """Steps of warm-up."""
        return choices.choose_warm_up(self.epochs * self.iterations)

    @property
    def interval(self) -> int:
        """Epochs between validations."""
        return choices.choose_val_interval(self.epochs)


def choose(
    classes: Sequence[str],
    measures: Measures,
    options: Options,
    memory: Memory,
    skeleton: Skeleton | None = None,
) -> Settings:
    """Chooses the settings that the options leave open.

    Args:
        classes: Names, in the order of the files.
        measures: Measures of the training images.
        options: Options of the user.
        memory: Memory of the device.
        skeleton: Keypoints to train on.

    Raises:
        ValueError: If no object can be trained on, or an option has an invalid value.
    """
    if not len(measures.sides):
        raise ValueError(
            'no box of train can be trained on: all are crowds, thinner than a pixel, '
            'or outside their image'
        )
    backbone = find_backbone(options.backbone)
    if options.image_scale and min(options.image_scale) < choices.MULTIPLE:
        raise ValueError(
            f'--image-scale {options.image_scale}: both sides must have at '
            f'least {choices.MULTIPLE} pixels'
        )
    scale = options.image_scale or choices.choose_scale(
        measures.sides, measures.image_size_of_object, measures.image_sizes
    )
    crop = choices.choose_crop(scale, measures.image_sizes)
    batch_size = options.batch_size or choices.choose_batch_size(
        crop, backbone.kilobytes_per_pixel, memory.free, on_gpu=memory.on_gpu
    )
    images = len(measures.image_sizes)
    factors = choices.scale_factors(measures.image_size_of_object, scale)
    return Settings(
        classes=tuple(classes),
        image_scale=scale,
        crop_size=crop,
        batch_size=batch_size,
        workers=4 if memory.on_gpu else 2,
        backbone=backbone,
        pretrained=options.pretrained,
        epochs=options.epochs
        or choices.choose_epochs(images, batch_size, on_gpu=memory.on_gpu),
        iterations=choices.iterations(images, batch_size),
        wh_unit=choices.choose_wh_unit(measures.sides[:, 1] * factors),
        topk=choices.choose_topk(measures.max_objects),
        skeleton=skeleton,
    )


def find_too_small(measures: Measures, scale: Sequence[int]) -> np.ndarray:
    """Finds objects with fewer than two cells on the shorter side: (N,) bool."""
    factors = choices.scale_factors(measures.image_size_of_object, scale)
    return choices.too_small(measures.sides, factors)
