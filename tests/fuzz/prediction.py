"""Predictions of the head in pixels of the original image."""

from __future__ import annotations

from random import Random

import numpy as np
from mmengine.structures import InstanceData

from fuzz import draws
from fuzz.decoder import add_non_finite, box_at
from fuzz.oracles import count_peaks, is_peak
from fuzz.outcome import RIGHT
from mmdet_centernet.models import CTDetHead

STRIDE = 4
IOU = 0.5
PIXEL, DIGITS = 0.02, 1e-4
Corners = tuple[float, float, float, float]


def predict(draw: Random) -> str:
    """Detections are peaks, mapped back by the metas, in order of score."""
    batch, classes = draw.randint(1, 3), draw.randint(1, 3)
    height, width = draw.randint(1, 9), draw.randint(1, 9)
    heatmap = draws.logits(draw, batch, classes, height, width)
    add_non_finite(draw, heatmap)
    wh, offset = (draws.logits(draw, batch, 2, height, width) for _ in range(2))
    settings = draw_settings(draw)
    head = CTDetHead(1, 1, classes, test_cfg=settings)
    metas = [draw_meta(draw, height, width) for _ in range(batch)]
    rescale = draw.random() < 0.7
    found = head.predict_by_feat([heatmap], [wh], [offset], metas, rescale=rescale)
    for number, (one, meta) in enumerate(zip(found, metas, strict=True)):
        maps = [part[number].numpy() for part in (heatmap, wh, offset)]
        possible = list_peaks(maps, meta, settings, rescale)
        check_scores(one, maps[0], settings)
        check_boxes(one, possible)
        if settings['nms']:
            check_nms(one)
    return RIGHT


def draw_settings(draw: Random) -> dict:
    """Draws a test_cfg."""
    return dict(
        topk=draw.choice([1, 5, 100]),
        score_thr=draw.choice([0.0, 0.3]),
        clip_border=draw.random() < 0.5,
        max_per_img=draw.choice([-1, 2, 100]),
        nms=draw.choice([None, None, dict(type='nms', iou_threshold=IOU)]),
    )


def draw_meta(draw: Random, rows: int, columns: int) -> dict:
    """Draws the metas of an image whose input has (rows, columns) cells."""
    view = rows * STRIDE, columns * STRIDE
    meta = dict(batch_input_shape=view, img_shape=view, ori_shape=view)
    kind = draw.choice(['none', 'matrix', 'scale', 'border'])
    scale = draw.uniform(0.2, 5), draw.uniform(0.2, 5)
    if kind == 'matrix':
        flip = draw.choice([1, -1])
        shift = draw.uniform(-50, 50), draw.uniform(-50, 50)
        meta['homography_matrix'] = np.array(
            [[flip * scale[0], 0, shift[0]], [0, scale[1], shift[1]], [0, 0, 1]]
        )
    elif kind != 'none':
        meta['scale_factor'] = scale
    if kind == 'border':
        top, left = draw.randrange(view[0]), draw.randrange(view[1])
        meta['border'] = [top, view[0], left, view[1]]
    if kind != 'none':
        meta['ori_shape'] = draw.randint(1, 200), draw.randint(1, 200)
    return meta


def list_peaks(
    maps: list[np.ndarray], meta: dict, settings: dict, rescale: bool
) -> list[tuple[int, float, Corners]]:
    """Returns label, score and box of all peaks of an image."""
    heat, wh, offset = maps
    return [
        (
            label,
            sigmoid(plane[y, x]),
            to_original(box_at(wh, offset, x, y, STRIDE), meta, settings, rescale),
        )
        for label, plane in enumerate(heat)
        for y, x in np.ndindex(plane.shape)
        if is_peak(plane, x, y, 3)
    ]


def sigmoid(logit: float) -> float:
    """Computes the sigmoid, also of infinite numbers."""
    return float(1 / (1 + np.exp(-np.float64(logit).clip(-700))))


def to_original(box: np.ndarray, meta: dict, settings: dict, rescale: bool) -> Corners:
    """Maps a box from the input to the original image."""
    height, width = meta['img_shape']
    top, bottom, left, right = meta.get('border', (0, height, 0, width))
    size = bottom - top, right - left
    xs, ys = box[[0, 2]] - float(left), box[[1, 3]] - float(top)
    if rescale:
        matrix = meta.get('homography_matrix', np.eye(3))
        scale = meta.get('scale_factor', (1, 1))
        xs = (xs - matrix[0, 2]) / matrix[0, 0] / scale[0]
        ys = (ys - matrix[1, 2]) / matrix[1, 1] / scale[1]
        size = meta['ori_shape']
        if matrix[0, 0] < 0:  # flipped: exchanges left and right
            xs = xs[::-1]
    if settings['clip_border']:
        xs, ys = xs.clip(0, size[1]), ys.clip(0, size[0])
    return float(xs[0]), float(ys[0]), float(xs[1]), float(ys[1])


def check_scores(found: InstanceData, heat: np.ndarray, settings: dict) -> None:
    """Checks that the scores are the highest ones above the threshold, in order."""
    scores = [sigmoid(value) for value in count_peaks(heat, 3)][: settings['topk']]
    if settings['score_thr']:
        scores = [score for score in scores if score > settings['score_thr']]
    else:
        scores += [0.0] * (min(settings['topk'], heat.size) - len(scores))
    if not settings['nms']:
        np.testing.assert_allclose(found.scores, scores, atol=1e-6)
        return
    most = settings['max_per_img']
    assert len(found) <= (most if most > 0 else len(scores))
    assert (np.diff(found.scores) <= 0).all()
    assert not scores or abs(found.scores[0] - scores[0]) < 1e-6


def check_boxes(
    found: InstanceData, possible: list[tuple[int, float, Corners]]
) -> None:
    """Checks that each box belongs to a peak, except padding with score 0."""
    labels = np.array([label for label, *_ in possible])
    scores = np.array([score for _, score, _ in possible])
    boxes = np.array([box for *_, box in possible]).reshape(-1, 4)
    for label, score, box in zip(*found_arrays(found), strict=True):
        near = np.abs(boxes - box) <= PIXEL + DIGITS * np.abs(boxes)
        fits = (labels == label) & (np.abs(scores - score) < 1e-6) & near.all(1)
        assert score == 0 or fits.any(), (label, score, box)


def found_arrays(found: InstanceData) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns labels, scores and boxes."""
    return found.labels.numpy(), found.scores.numpy(), found.bboxes.numpy()


def check_nms(found: InstanceData) -> None:
    """Checks that boxes of one class overlap by at most the threshold."""
    labels, _, boxes = found_arrays(found)
    boxes = boxes.astype(np.float64)
    for i, j in zip(*np.triu_indices(len(boxes), 1), strict=True):
        if labels[i] == labels[j]:
            assert overlap(boxes[i], boxes[j]) <= IOU + DIGITS, (boxes[i], boxes[j])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Computes intersection over union; 0 for boxes without area."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    inside = max(width, 0) * max(height, 0)
    proper = all((box[2:] > box[:2]).all() for box in (one, other))
    return float(inside / (sum(areas) - inside)) if proper else 0.0
