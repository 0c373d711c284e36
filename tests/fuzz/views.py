"""The official transforms on images of all kinds."""

from __future__ import annotations

from random import Random

import numpy as np
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from fuzz import draws
from fuzz.outcome import REFUSED, RIGHT

PIXEL = 0.05
TINY, USUAL, LARGE = (1, 4), (5, 90), (1000, 4000)


def view(draw: Random) -> str:
    """The output has its size; boxes are moved by the matrix."""
    height, width = (draw.randint(*draw_sides(draw)) for _ in range(2))
    image = draws.image(draw, height, width)
    boxes = draws.boxes(draw, width, height)
    transform = TRANSFORMS.build(draw_transform(draw))
    results = dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        gt_bboxes=HorizontalBoxes(boxes.clone()),
        gt_bboxes_labels=draws.labels(draw, len(boxes), 3).numpy(),
        gt_ignore_flags=np.zeros(len(boxes), bool),
    )
    np.random.seed(draw.getrandbits(32))
    try:
        results = transform(results)
    except (ValueError, TypeError) as refusal:
        assert len(str(refusal)) > 20, refusal
        return REFUSED
    assert results['img'].shape[:2] == results['img_shape']
    # OpenCV drops the axis of a single channel; PackDetInputs adds it again.
    assert np.atleast_3d(results['img']).shape[2:] == np.atleast_3d(image).shape[2:]
    assert np.isfinite(results['img']).all()
    matrix = results['homography_matrix']
    assert matrix.shape == (3, 3)
    assert np.isfinite(matrix).all()
    assert abs(np.linalg.det(matrix)) > 0
    count = len(results['gt_bboxes'])
    assert count == len(results['gt_bboxes_labels']) == len(results['gt_ignore_flags'])
    check_boxes(results['gt_bboxes'].tensor.numpy(), boxes.numpy(), results)
    return RIGHT


def check_boxes(found: np.ndarray, boxes: np.ndarray, results: dict) -> None:
    """Checks that every box is one of the image, moved by the matrix and clipped."""
    matrix, (height, width) = results['homography_matrix'], results['img_shape']
    moved = boxes.reshape(-1, 2, 2).astype(np.float64) * matrix[[0, 1], [0, 1]]
    moved = np.sort(moved + matrix[:2, 2], axis=1).clip(0, [width, height])
    for box in found.reshape(-1, 2, 2):
        assert (np.abs(np.sort(box, axis=0) - moved) < PIXEL).all((1, 2)).any(), box


def draw_sides(draw: Random) -> tuple[int, int]:
    """Draws bounds of image sides, rarely large ones."""
    return draw.choices([TINY, USUAL, LARGE], [30, 69, 1])[0]


def draw_transform(draw: Random) -> dict:
    """Draws one of the transforms with settings."""
    return draw.choice(
        [
            dict(type='CenterAffine', pad=draw.choice([31, 127])),
            dict(type='CenterAffine', size=(96, 64)),
            dict(type='RandomCenterAffine', size=(64, 64)),
        ]
    )
