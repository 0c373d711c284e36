"""NMS and soft-NMS in numpy: slow loops, compiled mmcv, ties and edges."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmcv.ops import batched_nms, soft_nms
from mmcv.ops import nms as mmcv_nms

from helpers.compiled_mmcv import needs_compiled, our_operators
from mmdet_centernet_operators import nms as operators
from mmdet_centernet_operators.kernels import torchvision_ops
from mmdet_centernet_operators.nms import nms

METHODS = ('naive', 'linear', 'gaussian')


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Uses the loop even if torchvision is installed."""
    monkeypatch.setattr(operators, 'torchvision_ops', lambda: None)


@st.composite
def scored_boxes(draw, least=0):
    """Up to thirty boxes with few positions and scores, so that many are equal."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    count = draw(st.integers(least, 30))
    integers = lambda high, *size: torch.randint(high, size, generator=generator)  # noqa: E731
    low = integers(20, count, 2).float()
    boxes = torch.cat([low, low + integers(15, count, 2)], dim=1)
    return boxes, (1 + integers(draw(st.integers(1, 40)), count)) / 40


def iou(one, other, offset):
    width = min(one[2], other[2]) - max(one[0], other[0]) + offset
    height = min(one[3], other[3]) - max(one[1], other[1]) + offset
    shared = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0] + offset) * (b[3] - b[1] + offset) for b in (one, other)]
    union = sum(areas) - shared
    return shared / union if union else math.nan


def slow_nms(boxes, scores, threshold, offset):
    boxes = boxes.double().tolist()
    kept = []
    # Among equal scores mmcv takes torch's order, which is not that of the boxes.
    for index in scores.sort(descending=True).indices.tolist():
        ious = (iou(boxes[index], boxes[better], offset) for better in kept)
        if not any(value > threshold for value in ious):
            kept.append(index)
    return kept


@given(scored_boxes(), st.sampled_from([0.0, 0.31, 0.57, 1.0]), st.sampled_from([0, 1]))
def test_equals_a_loop(drawn, threshold, offset):
    expected = slow_nms(*drawn, threshold, offset)
    assert nms(*drawn, threshold, offset).tolist() == expected


def test_boxes_without_area_suppress_nothing():
    boxes = torch.tensor([[3.0, 3, 3, 3]] * 3)
    assert nms(boxes, torch.tensor([0.1, 0.3, 0.2]), 0.5, 0).tolist() == [1, 2, 0]


def test_class_aware():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 9, 10]])
    labels = torch.tensor([0, 1, 0])
    with our_operators():
        dets, kept = batched_nms(
            boxes,
            torch.tensor([0.9, 0.8, 0.7]),
            labels,
            dict(type='nms', iou_threshold=0.5),
        )
    assert kept.tolist() == [0, 1]
    torch.testing.assert_close(dets[:, :4], boxes[:2])


def slow_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    """The paper's algorithm on lists; it does not define ties."""
    left = [(score, index) for index, score in enumerate(scores.double().tolist())]
    boxes = boxes.double().tolist()
    found = []
    while left:
        best = max(left)
        found.append(best)
        left.remove(best)
        lowered = []
        for score, index in left:
            value = iou(boxes[index], boxes[best[1]], offset)
            if method == 'gaussian':
                score *= math.exp(-(value**2) / sigma)
            elif value >= threshold:
                score *= 1 - value if method == 'linear' else 0
            if score >= min_score:
                lowered.append((score, index))
        left = lowered
    return found


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('min_score', [0.001, 0.2])
def test_soft_nms_equals_a_loop(method, offset, min_score):
    generator = torch.Generator().manual_seed(1)
    low = 30 * torch.rand(60, 2, generator=generator)
    boxes = torch.cat(
        [low, low + 5 + 20 * torch.rand(60, 2, generator=generator)], dim=1
    )
    scores = torch.rand(60, generator=generator)
    settings = (0.3, 0.5, min_score, method, offset)
    expected = slow_soft_nms(boxes, scores, *settings)
    with our_operators():
        dets, kept = soft_nms(boxes, scores, *settings)
    assert kept.tolist() == [index for _, index in expected]
    torch.testing.assert_close(
        dets[:, 4], torch.tensor([score for score, _ in expected])
    )
    torch.testing.assert_close(dets[:, :4], boxes[kept])


@pytest.mark.parametrize('method', METHODS)
def test_soft_nms_of_nothing_and_of_one(method):
    box = torch.tensor([[1.0, 2, 3, 4]])
    with our_operators():
        dets, kept = soft_nms(box[:0], box[:0, 0], method=method)
        assert dets.shape == (0, 5)
        assert not len(kept)
        dets, kept = soft_nms(box, torch.tensor([0.5]), method=method)
    assert dets.tolist() == [[1, 2, 3, 4, 0.5]]
    assert kept.tolist() == [0]


@needs_compiled
@given(scored_boxes(), st.sampled_from([0.0, 0.31, 0.57, 1.0]), st.sampled_from([0, 1]))
def test_equals_compiled_mmcv(drawn, threshold, offset):
    expected = mmcv_nms(*drawn, threshold, offset)
    with our_operators():
        found = mmcv_nms(*drawn, threshold, offset)
    assert found[1].tolist() == expected[1].tolist()
    assert torch.equal(found[0], expected[0])


@needs_compiled
@pytest.mark.parametrize('method', METHODS)
@given(
    drawn=scored_boxes(),
    threshold=st.sampled_from([0.0, 0.31, 0.57]),
    min_score=st.sampled_from([0.001, 0.3]),
    offset=st.sampled_from([0, 1]),
)
def test_soft_nms_equals_compiled_mmcv(method, drawn, threshold, min_score, offset):
    settings = (threshold, 0.5, min_score, method, offset)
    expected = soft_nms(*drawn, *settings)
    with our_operators():
        found = soft_nms(*drawn, *settings)
    assert found[1].tolist() == expected[1].tolist()
    # Boxes without area have an IoU of 0 / 0.
    torch.testing.assert_close(found[0], expected[0], equal_nan=True)


@needs_compiled
@given(scored_boxes(1), st.integers(0, 2**31), st.sampled_from(['nms', 'soft_nms']))
def test_class_aware_equals_compiled_mmcv(drawn, seed, kind):
    labels = torch.randint(
        3, (len(drawn[0]),), generator=torch.Generator().manual_seed(seed)
    )
    settings = dict(type=kind, iou_threshold=0.5)
    expected = batched_nms(*drawn, labels, settings)
    with our_operators():
        found = batched_nms(*drawn, labels, settings)
    assert found[1].tolist() == expected[1].tolist()
    torch.testing.assert_close(found[0], expected[0], equal_nan=True)


@pytest.mark.skipif(torchvision_ops() is None, reason='no torchvision fits this torch')
@given(scored_boxes(), st.sampled_from([0.0, 0.31, 0.57, 1.0]), st.sampled_from([0, 1]))
def test_the_kernel_of_torchvision_gives_the_same(drawn, threshold, offset):
    expected = slow_nms(*drawn, threshold, offset)
    operators.torchvision_ops = torchvision_ops  # undone by the fixture
    assert nms(*drawn, threshold, offset).tolist() == expected
