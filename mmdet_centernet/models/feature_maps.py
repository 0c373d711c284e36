"""Do the feature maps fit the head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def select_maps(
    maps: Sequence[Tensor], *, num_stacks: int, level: int | None, channels: int
) -> Sequence[Tensor]:
    """The feature maps that a head works on.

    Args:
        maps: What the neck gives, each (B, channels, H, W).
        num_stacks: Maps that the head has branches for.
        level: Which map to take, where the neck gives levels of a pyramid.
        channels: Channels that the branches expect.

    Returns:
        As many maps as there are stacks.

    Raises:
        ValueError: If number or channels of the maps do not fit.
    """
    if level is not None:
        if not -len(maps) <= level < len(maps):
            raise ValueError(
                f'feat_level is {level}, but the neck gives {len(maps)} feature maps'
            )
        maps = [maps[level]]
    if len(maps) != num_stacks:
        raise ValueError(
            f'{len(maps)} feature maps for num_stacks={num_stacks}. If the neck gives '
            'levels of a pyramid, choose one with bbox_head.feat_level=0 (and set '
            'bbox_head.stride to its stride); if it gives supervised stacks, set '
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
    """A map has to cover the network input at the stride of the head.

    Args:
        shape: Shape of the map, ending in H, W.
        input_shape: Shape of the network input, ending in height, width.
        stride: Pixels a cell.

    Raises:
        ValueError: If it does not.
    """
    for cells, pixels in zip(shape[-2:], input_shape[-2:], strict=True):
        if not stride / 2 < pixels / cells <= stride:
            raise ValueError(
                f'the network input is {tuple(input_shape)}, the feature map '
                f'{tuple(shape[-2:])}: that is no map of stride {stride}. Set '
                'bbox_head.stride to the stride of the map, choose another one with '
                'bbox_head.feat_level, or pad the input with '
                'data_preprocessor.pad_size_divisor=32'
            )
