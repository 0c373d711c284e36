"""Merging scales."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from helpers.official_merge import golden_scales, slow_merge
from helpers.shared_data import load_golden
from helpers.views import (
    as_rows,
    assert_same,
    by_score,
)
from mmdet_centernet.models.ctdet_tta import TTA_DEFAULTS
from mmdet_centernet.models.postprocess import merge_scales, refine


def as_instances(rows):
    rows = torch.tensor(by_score(rows))
    return InstanceData(
        bboxes=rows[:, :4].float(), scores=rows[:, 4].float(), labels=rows[:, 5].long()
    )


CASES = [('h_multiscale', 'merged'), ('i_clusters', 'merged_softnms')]


@pytest.mark.parametrize(('case', 'field'), CASES)
def test_the_slow_merge_is_the_official_one(case, field):
    golden = load_golden('decode')
    got = slow_merge(golden_scales(golden, case), leave_stale=True)
    expected = by_score(golden[f'{case}__{field}'])
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(('case', 'field'), CASES)
def test_merging_equals_the_official_one_without_its_stale_rows(case, field):
    golden = load_golden('decode')
    per_scale = golden_scales(golden, case)
    found = merge_scales([as_instances(rows) for rows in per_scale], **TTA_DEFAULTS)
    expected = slow_merge(per_scale, leave_stale=False)
    np.testing.assert_allclose(as_rows(found), expected, rtol=0, atol=1e-4)
    assert len(np.unique(as_rows(found), axis=0)) == len(found) == 100


@pytest.mark.parametrize(('case', 'field', 'count'), [(*CASES[0], 0), (*CASES[1], 7)])
def test_so_many_of_the_official_hundred_are_stale(case, field, count):
    """The figures of docs/decisions/003-test-time-augmentation.md."""
    golden = load_golden('decode')
    per_scale = [as_instances(rows) for rows in golden_scales(golden, case)]
    ours = as_rows(merge_scales(per_scale, **TTA_DEFAULTS))
    official = golden[f'{case}__{field}']
    equal = (np.abs(ours[:, None] - official) < 1e-4).all(-1)
    assert equal.any(1).sum() == 100 - count


def test_soft_nms_equals_golden():
    golden = load_golden('decode')
    before = np.pad(golden['softnms__array_before'], ((0, 0), (0, 1)))
    halves = [as_instances(before[0::2]), as_instances(before[1::2])]
    found = merge_scales(halves, **TTA_DEFAULTS)
    count = int(golden['softnms_method2__num_keep'])
    expected = by_score(golden['softnms_method2__array_after'][:count])
    np.testing.assert_allclose(as_rows(found)[:, :5], expected, rtol=0, atol=1e-5)


def test_a_single_scale_is_not_suppressed_unless_the_head_is_asked_to():
    golden = load_golden('decode')
    rows = golden['i_clusters__s0_dets']
    found = as_instances(rows)
    untouched = merge_scales([found], **TTA_DEFAULTS)
    assert np.array_equal(
        by_score(as_rows(untouched)), by_score(golden['k_single__merged'])
    )
    settings = dict(
        nms=TTA_DEFAULTS['nms'], max_per_img=100, clip_border=False, score_thr=0
    )
    found = refine(found, {}, settings, rescale=True, with_nms=True)
    expected = slow_merge([rows], leave_stale=False)
    np.testing.assert_allclose(as_rows(found), expected, rtol=0, atol=1e-5)
    official = slow_merge([rows], leave_stale=True)
    np.testing.assert_allclose(
        official, by_score(golden['j_single_nms__merged']), rtol=0, atol=1e-5
    )


def test_classes_do_not_meet_beyond_the_border_of_the_image():
    boxes = torch.tensor([[0.0, 0, 100, 100], [-60, -60, 40, 40]])
    both = InstanceData(
        bboxes=boxes, scores=torch.tensor([0.9, 0.8]), labels=torch.tensor([0, 1])
    )
    nothing = both[:0]
    assert_same(merge_scales([both, nothing], **TTA_DEFAULTS), both)
    one_class = dict(TTA_DEFAULTS, nms=dict(TTA_DEFAULTS['nms'], class_agnostic=True))
    found = merge_scales([both, nothing], **one_class)
    assert found.labels.tolist() == [0, 1]
    assert found.scores[1] < 0.8
