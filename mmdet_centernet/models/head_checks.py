"""Selects feature maps; checks that they, dataset and ground truth fit the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import MessageHub
from torch import Tensor

MAX_NAMES = 5
"""Class names that a message lists."""


def training_classes() -> Sequence[str] | None:
    """Returns the classes of the dataset that the current runner trains on.

    mmengine publishes them in its message hub. mmdet's ``NumClassCheckHook`` makes the
    same check, but a config that sets ``custom_hooks`` removes it.

    Returns:
        ``metainfo['classes']`` as the config has it, or None outside of training.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('loop_stage') != 'train':
        return None
    return (hub.get_info('dataset_meta') or {}).get('classes')


def check_classes(classes: Sequence[str] | None, num_classes: int) -> None:
    """Compares the classes of a dataset with those of a head.

    Args:
        classes: Of the dataset, or None if unknown.
        num_classes: Of the head.

    Raises:
        ValueError: If the classes are a string instead of a list, or their number
            differs from that of the head.
    """
    if classes is None:
        return
    if isinstance(classes, str):
        raise ValueError(
            f'metainfo.classes of the training set is the string {classes!r}, which '
            f'makes each letter a class; write classes=({classes!r},) with a comma'
        )
    if len(classes) != num_classes:
        names = ', '.join(classes[:MAX_NAMES])
        names += ', ...' if len(classes) > MAX_NAMES else ''
        raise ValueError(
            f'the head has num_classes={num_classes}, the training set has '
            f'{len(classes)} classes ({names}): set model.bbox_head.num_classes='
            f'{len(classes)}, or metainfo=dict(classes=...) of every dataset'
        )


def select_maps(
    maps: Sequence[Tensor], *, num_stacks: int, level: int | None, channels: int
) -> Sequence[Tensor]:
    """Selects the feature maps that a head works on.

    Args:
        maps: Outputs of the neck, each (B, channels, H, W).
        num_stacks: Number of maps that the head has branches for.
        level: Index of the map to take, if the neck outputs pyramid levels.
        channels: Channels that the branches expect.

    Returns:
        One map per stack.

    Raises:
        ValueError: If number or channels of the maps do not fit.
    """
    if level is not None:
        if not -len(maps) <= level < len(maps):
            raise ValueError(
                f'feat_level is {level}, but the neck outputs {len(maps)} feature maps'
            )
        maps = [maps[level]]
    if len(maps) != num_stacks:
        raise ValueError(
            f'{len(maps)} feature maps for num_stacks={num_stacks}. If the neck '
            'outputs pyramid levels, choose one with bbox_head.feat_level=0 (and set '
            'bbox_head.stride to its stride); if it outputs supervised stacks, set '
            f'bbox_head.num_stacks={len(maps)}'
        )
    for feat in maps:
        if feat.shape[1] != channels:
            raise ValueError(
                f'the feature map has {feat.shape[1]} channels, the head expects '
                f'{channels}: set bbox_head.in_channels={feat.shape[1]}'
            )
    return maps


def check_stride(shape: Sequence[int], input_shape: Sequence[int], stride: int) -> None:
    """Checks that a map covers the network input at the stride of the head.

    Args:
        shape: Shape of the map, ending in H, W.
        input_shape: Shape of the network input, ending in height, width.
        stride: Pixels per cell.

    Raises:
        ValueError: If it does not.
    """
    for cells, pixels in zip(shape[-2:], input_shape[-2:], strict=True):
        if not stride / 2 < pixels / cells <= stride:
            raise ValueError(
                f'the network input is {tuple(input_shape)}, the feature map '
                f'{tuple(shape[-2:])}, which is not stride {stride}. Set '
                'bbox_head.stride to the stride of the map, choose another map with '
                'bbox_head.feat_level, or pad the input with '
                'data_preprocessor.pad_size_divisor=32'
            )


def check_not_resized(metas: Sequence[Mapping[str, Any]]) -> None:
    """Checks that the data preprocessor has not resized images with properties.

    Args:
        metas: Meta information of the images, ``gt_img_shape`` by PackPropertyInputs.

    Raises:
        ValueError: If an image was resized after its properties were packed.
    """
    for meta in metas:
        packed = meta.get('gt_img_shape')
        if packed is not None and tuple(packed[:2]) != tuple(meta['img_shape'][:2]):
            raise ValueError(
                f'{meta.get("img_path", "an image")} was packed with shape {packed} '
                f'and reached the head with {meta["img_shape"]}: batch_augments of the '
                'data preprocessor, such as BatchSyncRandomResize, do not transform '
                'properties. Use RandomResize in the pipeline instead'
            )
