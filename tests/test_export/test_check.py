"""The comparison detects faults and accepts equal results."""

import pytest
import torch

from mmdet_centernet.codecs import CenterCoder, Detections, decode_centers
from mmdet_centernet.export import check

CODER = CenterCoder(stride=4, topk=50, kernel=3)


def compare(found, maps):
    named = dict(zip(('heatmap', 'wh', 'offset'), maps, strict=True))
    return check.compare(found, {}, named, CODER)


@pytest.fixture
def maps():
    torch.manual_seed(0)
    heatmap = 2 * torch.randn(2, 5, 12, 16) - 2
    return heatmap, 10 * torch.rand(2, 2, 12, 16), torch.rand(2, 2, 12, 16)


def detect(maps):
    found = decode_centers(*maps, stride=4, topk=50, kernel=3)
    return Detections(*(values.clone() for values in found))


def test_equal(maps):
    difference = compare(detect(maps), maps)
    assert difference.small
    assert (difference.boxes, difference.scores) == (0, 0)


def test_a_moved_box(maps):
    found = detect(maps)
    found.boxes[1, 30, 2] += 0.02
    difference = compare(found, maps)
    assert not difference.small
    assert difference.boxes == pytest.approx(0.02, abs=1e-4)


def test_another_score(maps):
    found = detect(maps)
    found.scores[0, 7] += 2e-4
    difference = compare(found, maps)
    assert not difference.small
    assert difference.scores == pytest.approx(2e-4, rel=1e-3)


def test_another_class(maps):
    found = detect(maps)
    found.labels[0, 3] = (found.labels[0, 3] + 1) % 5
    assert not compare(found, maps).small


def test_a_box_that_takes_the_place_of_another(maps):
    found = detect(maps)
    found.boxes[0, 1] = found.boxes[0, 0]
    assert not compare(found, maps).small


@pytest.mark.parametrize('name', ['boxes', 'scores'])
def test_what_is_no_number(maps, name):
    found = detect(maps)
    getattr(found, name)[1, 0] = torch.nan
    assert not compare(found, maps).small


def test_peaks_that_are_no_peaks(maps):
    unsuppressed = decode_centers(*maps, stride=4, topk=50, kernel=1)
    assert not compare(unsuppressed, maps).small


def test_order_within_a_tie_does_not_matter(maps):
    maps[0][0, 0, 2, 2] = maps[0][0, 3, 8, 8] = 9.0
    found = detect(maps)
    for values in found:
        values[0, :2] = values[0, :2].flip(0)
    assert found.scores[0, 0] == found.scores[0, 1]
    assert compare(found, maps).small


def test_boxes_that_fill_up_the_list_do_not_matter(maps):
    maps[0][:, :, 1:] = -torch.inf
    maps[0][:, :, 0, ::2] = 3.0
    found = detect(maps)
    fillers = found.scores == 0
    assert fillers.any()
    found.boxes[fillers] = torch.nan
    assert compare(found, maps).small


def test_which_of_two_equal_neighbors_is_the_peak_does_not_matter(maps):
    heatmap, wh, offset = maps
    heatmap[0, 2, 5, 5:7] = torch.tensor([6.0, 6.0 - 1e-6])
    other = heatmap.clone()
    other[0, 2, 5, 5:7] = torch.tensor([6.0 - 1e-6, 6.0])
    both = heatmap.clone()
    both[0, 2, 5, 5:7] = 6.0  # and one detection more than there should be
    for seen in (other, both):
        assert compare(detect((seen, wh, offset)), maps).small


@pytest.mark.parametrize('rank', [0, 25])
def test_a_peak_that_was_missed(maps, rank):
    blind = [values.clone() for values in maps]
    missed = detect(maps)
    lost = missed.scores[1, rank]
    blind[0][1][blind[0][1].sigmoid() == lost] = -torch.inf
    difference = compare(detect(blind), maps)
    assert not difference.small
    assert difference.boxes < 1e-4


def test_the_best_comes_first(maps):
    found = detect(maps)
    shuffled = Detections(*(values.flip(1) for values in found))
    assert not compare(shuffled, maps).small
