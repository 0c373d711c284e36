"""The official views of an image: one for tests and one for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from mmdet_centernet.arguments import (
    check_not_negative,
    check_positive,
    is_number,
)
from mmdet_centernet.functional.window import (
    crop_margin,
    flip_matrix,
    padded_length,
    window_matrix,
)
from mmdet_centernet.transforms.warp import Size, warp_sample


@TRANSFORMS.register_module()
class CenterAffine(BaseTransform):
    """Centers the image in a black view, for tests (paper, section 4.1).

    With ``pad`` the resolution is kept and the view is the next larger multiple of
    ``pad + 1``. With ``size`` the longer side of the image is scaled to the width of
    the view. The border is black before normalization, so the data preprocessor
    must not pad.

    ``PackDetInputs`` needs ``homography_matrix`` in its ``meta_keys``: the head maps
    boxes to the original image by it, and raises an error without. An earlier
    ``scale_factor`` is removed. As officially the matrix holds the
    nominal ``scale``, not the ratio of the rounded sizes.

    Required keys: ``img``; where present ``gt_bboxes``, ``gt_bboxes_labels``,
    ``gt_ignore_flags``, ``gt_instances_ids``, ``gt_masks`` and ``gt_seg_map`` follow.
    Modified: all of them and ``img_shape``. Added: ``homography_matrix``.

    Args:
        pad: One less than the power of two that the network needs: 31, and 127 for
            Hourglass-104.
        size: Width and height of the view.
        scale: Resize the image by this factor before. A view of fixed ``size`` zooms
            in or out by it.

    Raises:
        ValueError: If not exactly one of ``pad`` and ``size`` is given, or if an
            argument is out of range.
    """

    def __init__(
        self,
        *,
        pad: int | None = None,
        size: Size | None = None,
        scale: float = 1.0,
    ) -> None:
        if (pad is None) == (size is None):
            raise ValueError(
                'give either pad=31 (127 for Hourglass-104) to keep the resolution, or '
                'size=(width, height) for a view of that size'
            )
        if pad is not None and not (
            isinstance(pad, int) and pad > 0 and pad & (pad + 1) == 0
        ):
            raise ValueError(f'pad is {pad!r}; it has to be 2^n - 1, such as 31 or 127')
        check_positive(scale=scale)
        self.pad = pad
        self.size = None if size is None else _checked_size(size)
        self.scale = scale

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Warps image and annotations into the view."""
        original = results['img'].shape[:2]
        height, width = (max(1, int(length * self.scale)) for length in original)
        if (height, width) != original:
            results['img'] = cv2.resize(results['img'], (width, height))
        prepared = np.diag([self.scale, self.scale, 1.0])
        if self.size is not None:
            size = self.size
            matrix = window_matrix((width / 2, height / 2), max(original), size)
        elif self.pad is not None:
            size = padded_length(width, self.pad), padded_length(height, self.pad)
            matrix = window_matrix((width // 2, height // 2), size[0], size)
        warp_sample(results, matrix, size, prepared=prepared)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(pad={self.pad}, size={self.size}, '
            f'scale={self.scale})'
        )


class View(NamedTuple):
    """Random parameters of the view of an image.

    Attributes:
        center: x, y of the center of the window in pixels of the image.
        side: Side of the window.
        flip: Flip the image, and the window with it.
        angle: Degrees by which the window is rotated, after the flip.
    """

    center: tuple[float, float]
    side: float
    flip: bool
    angle: float = 0.0


@TRANSFORMS.register_module()
class RandomCenterAffine(BaseTransform):
    """Warps a random window of the image to a fixed size (official training view).

    The window's side is the longer side of the image times a random ratio, and its
    center keeps away from the borders of the image. Outside the image the view is
    black. Cropping, scaling and rotation are one warp. Unlike mmdet's
    ``RandomCenterCropPad`` the window grows with the image, boxes that are cut stay
    (clipped) wherever their center was, and windows without boxes are accepted.

    This step also flips, with probability ``flip_prob``: the official flip maps column
    x to ``width - 1 - x`` for pixels and boxes alike.

    Rotation is for keypoints that have heatmaps of their own (``JointPoints``). As in
    the official code, rotated views train these only, since no upright box fits a
    rotated object. Boxes are then those of the same view without rotation and determine
    the Gaussians' radii; objects whose box is outside that view are left out.
    ``PackPropertyInputs`` marks rotated images for the head. Steps that mix images have
    to precede this one.

    Required keys: ``img``; where present ``gt_bboxes``, ``gt_bboxes_labels``,
    ``gt_ignore_flags``, ``gt_instances_ids``, ``gt_masks`` and ``gt_seg_map`` follow.
    Modified: all of them and ``img_shape``. Added: ``homography_matrix``, ``flip`` and
    ``flip_direction``; ``rotated`` where it is.

    Args:
        size: Width and height of the view.
        ratios: Side of the window by the longer side of the image; one is chosen.
            Larger ratios show smaller objects.
        border: Least distance of the window's center from the borders of the image in
            pixels; halved in small images until it fits.
        flip_prob: Probability of flipping the image.
        rotation_prob: Probability of rotating the window (officially ``aug_rot``).
        max_rotation: Largest angle in degrees. Angles are normally distributed with
            half of it as their standard deviation (officially ``rotate``), clipped.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        size: Size,
        *,
        ratios: Sequence[float] = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3),
        border: int = 128,
        flip_prob: float = 0.5,
        rotation_prob: float = 0.0,
        max_rotation: float = 0.0,
    ) -> None:
        if not _are_positive(ratios):
            raise ValueError(f'ratios are {ratios!r}; give at least one, all positive')
        check_not_negative(border=border, max_rotation=max_rotation)
        _check_chances(flip_prob=flip_prob, rotation_prob=rotation_prob)
        if bool(rotation_prob) != bool(max_rotation):
            raise ValueError(
                f'rotation_prob is {rotation_prob!r} and max_rotation {max_rotation!r}'
                '; for rotation give both, as in rotation_prob=0.2, max_rotation=60'
            )
        self.size = _checked_size(size)
        self.ratios = ratios
        self.border = border
        self.flip_prob = flip_prob
        self.rotation_prob = rotation_prob
        self.max_rotation = max_rotation

    @cache_randomness
    def _draw(self, height: int, width: int) -> View:
        """Draws the parameters in the order of the official code."""
        side = max(height, width) * np.random.choice(self.ratios)
        center = self._draw_center(width), self._draw_center(height)
        angle = self._draw_angle() if self.rotation_prob else 0.0
        flip = np.random.random() < self.flip_prob
        return View(center, side, flip, angle)

    def _draw_center(self, length: int) -> int:
        """Draws a coordinate of the center of the window."""
        margin = crop_margin(self.border, length)
        return np.random.randint(margin, length - margin)

    def _draw_angle(self) -> float:
        """Draws the angle of the window in degrees."""
        if np.random.random() >= self.rotation_prob:
            return 0.0
        angle = np.random.randn() * self.max_rotation / 2
        return float(np.clip(angle, -self.max_rotation, self.max_rotation))

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Warps image and annotations into a random view.

        Raises:
            ValueError: If the view is rotated and boxes have no keypoints.
        """
        return self.show(results, self._draw(*results['img'].shape[:2]))

    def show(self, results: dict, view: View) -> dict:
        """Warps image and annotations into a given view.

        Args:
            results: Sample with boxes of an mmdet box type, changed in place.
            view: Parameters of the view.

        Returns:
            The same sample.
        """
        (center_x, center_y), width = view.center, results['img'].shape[1]
        prepared = np.eye(3)
        if view.flip:
            # Not part of the warp, whose rounding depends on the direction.
            results['img'] = cv2.flip(results['img'], 1)
            prepared = flip_matrix(width)
            center_x = width - 1 - center_x
        window = (center_x, center_y), view.side, self.size
        warp_sample(
            results,
            window_matrix(*window, view.angle),
            self.size,
            prepared=prepared,
            upright=window_matrix(*window) if view.angle else None,
        )
        results['flip'] = view.flip
        results['flip_direction'] = 'horizontal' if view.flip else None
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, ratios={self.ratios}, '
            f'border={self.border}, flip_prob={self.flip_prob}, '
            f'rotation_prob={self.rotation_prob}, max_rotation={self.max_rotation})'
        )


def _checked_size(size: Size) -> Size:
    """Returns width and height as whole numbers, as cv2 needs them."""
    if not _are_positive(size) or len(size) != 2 or min(size) < 1:
        raise ValueError(f'size is {size!r}; give (width, height) in pixels')
    width, height = size
    return int(width), int(height)


def _check_chances(**chances: Any) -> None:
    """Checks that all values are probabilities."""
    for name, chance in chances.items():
        if not is_number(chance) or not 0 <= chance <= 1:
            raise ValueError(f'{name} is {chance!r}; it has to lie between 0 and 1')


def _are_positive(numbers: Any) -> bool:
    """Whether these are one or more numbers, all above 0."""
    return (
        isinstance(numbers, Sequence)
        and len(numbers) > 0
        and all(is_number(number) and number > 0 for number in numbers)
    )
