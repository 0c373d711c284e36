import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.official_pose import (
    NUM_JOINTS,
    golden_decoder_maps,
    golden_heatmap,
    golden_people,
)
from helpers.shared_data import load_golden
from mmdet_centernet.codecs import CenterNetTargetAssigner, paint_heatmap
from mmdet_centernet.codecs.joints import (
    JointPeaks,
    JointPoints,
    find_joints,
    joint_targets,
    snap_joints,
)
from mmdet_centernet.codecs.properties import KeypointsProperty
from mmdet_centernet.functional.peaks import gather_cells, local_maxima, top_peaks

MAX_PEOPLE = 32


def people_targets(boxes, shape=(1, 1, 128, 128)):
    """Targets of people in one image, in cells."""
    labels = torch.zeros(len(boxes), dtype=torch.long)
    return CenterNetTargetAssigner().assign([boxes], [labels], shape, stride=1)


@pytest.mark.parametrize('case', ['few', 'many', 'none', 'train', 'train_rot'])
def test_targets_equal_golden(case):
    boxes, joints = (values[:MAX_PEOPLE] for values in golden_people(case))
    targets = joint_targets(people_targets(boxes), joints)

    golden, slots = load_golden('pose'), len(boxes) * NUM_JOINTS
    mask = golden[f'{case}__hp_mask'].astype(bool)
    assert not mask[slots:].any()
    mask = mask[:slots]
    assert np.array_equal(targets.valid.numpy(), mask)
    xs, ys = targets.centers.T.numpy()
    assert np.array_equal(
        (ys * 128 + xs)[mask], golden[f'{case}__hp_ind'][:slots][mask]
    )
    np.testing.assert_allclose(
        targets.offsets.numpy()[mask],
        golden[f'{case}__hp_offset'][:slots][mask],
        rtol=0,
        atol=2e-5,  # of float32 at 128
    )
    heatmap = paint_heatmap(targets)[0]
    torch.testing.assert_close(
        heatmap, golden_heatmap(case, 'hm_hp'), rtol=0, atol=1e-6
    )


def test_rows_are_the_joints_of_one_object_after_the_other():
    boxes = torch.tensor([[0.0, 0, 20, 20], [0, 0, 4, 4], [30, 30, 60, 40]])
    joints = torch.arange(3 * 2 * 2).view(3, 2, 2) + 0.25
    targets = joint_targets(people_targets(boxes), joints)
    assert targets.labels.tolist() == [0, 1] * 3
    assert targets.points.tolist() == joints.flatten(0, 1).tolist()
    radii = people_targets(boxes).radii
    assert targets.radii.tolist() == [int(radii[i]) for i in (0, 0, 1, 1, 2, 2)]
    assert targets.shape == (1, 2, 128, 128)


def test_joints_without_label_object_or_map_are_no_points():
    boxes = torch.tensor([[0.0, 0, 20, 20], [5, 5, 5, 9]])
    nan = torch.nan
    joints = torch.tensor(
        [[[0.0, 0], [nan, nan], [-0.01, 3], [3, 128]], [[6.0, 6]] * 4]
    )
    targets = joint_targets(people_targets(boxes), joints)
    assert targets.valid.tolist() == [True] + [False] * 7
    assert targets.radii[1:].eq(-1).all()
    assert targets.offsets.isfinite().all()


def decoded(maps):
    """Regressed joints and boxes of the golden maps, in cells."""
    peaks = top_peaks(maps['hm'], 100)
    width = maps['hm'].shape[-1]
    cells = torch.stack([peaks.positions % width, peaks.positions // width], -1)
    centers = cells + gather_cells(maps['reg'], peaks.positions)
    sizes = gather_cells(maps['wh'], peaks.positions)
    joints = gather_cells(maps['hps'], peaks.positions).unflatten(-1, (NUM_JOINTS, 2))
    boxes = torch.cat([centers - sizes / 2, centers + sizes / 2], -1)
    return joints + cells[:, :, None], boxes


@pytest.mark.parametrize(
    ('case', 'with_offset'), [('full', True), ('no_hp_offset', False)]
)
def test_refined_joints_equal_golden(case, with_offset):
    maps = golden_decoder_maps('decode')
    joints, boxes = decoded(maps)
    offset = maps['hp_offset'] if with_offset else None
    refined = JointPoints().refine(joints, boxes, maps['hm_hp'], offset)
    expected = load_golden('pose')[f'decode__{case}'][..., 5:39]
    np.testing.assert_allclose(refined.flatten(2), expected, rtol=0, atol=1e-4)
    assert 0.1 < (refined != joints).float().mean() < 0.9


def slow_refine(joints, boxes, heatmap, offset, score_thr, max_distance, topk):
    """A loop over joints, after the description of the official code."""
    result = joints.clone()
    peaks = local_maxima(heatmap, 3)
    for image, (box_list, people) in enumerate(zip(boxes, joints, strict=True)):
        for number, joint in itertools.product(*map(range, people.shape[:2])):
            heat = heatmap[image, joint].sigmoid()
            cells = sorted(
                (tuple(cell) for cell in peaks[image, joint].nonzero().tolist()),
                key=lambda cell, heat=heat: -heat[cell],
            )[:topk]
            x, y = people[number, joint].tolist()
            x1, y1, x2, y2 = box_list[number].tolist()
            candidates = []
            for row, column in cells:
                if heat[row, column] > score_thr:
                    dx, dy = offset[image, :, row, column].tolist()
                    candidates.append((column + dx, row + dy))
            if not candidates:
                continue
            px, py = min(
                candidates, key=lambda p, x=x, y=y: np.hypot(p[0] - x, p[1] - y)
            )
            far = np.hypot(px - x, py - y) > max_distance * max(x2 - x1, y2 - y1)
            if x1 <= px <= x2 and y1 <= py <= y2 and not far:
                result[image, number, joint] = torch.tensor([px, py])
    return result


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.1, 0.6, 0.99]),
    st.sampled_from([0.05, 0.3, 2.0]),
    st.sampled_from([1, 7, 1000]),
)
def test_equals_a_slow_loop(seed, score_thr, max_distance, topk):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(2, 4, 3, 2, generator=generator)
    joints, starts = draw * 16 - 2, torch.rand(2, 4, 2, generator=generator) * 10
    boxes = torch.cat(
        [starts, starts + torch.rand(2, 4, 2, generator=generator) * 12], -1
    )
    heatmap = torch.randn(2, 3, 11, 13, generator=generator) * 3
    offset = torch.rand(2, 2, 11, 13, generator=generator)
    settings = dict(score_thr=score_thr, max_distance=max_distance, topk=topk)
    torch.testing.assert_close(
        JointPoints(**settings).refine(joints, boxes, heatmap, offset),
        slow_refine(joints, boxes, heatmap, offset, **settings),
        rtol=0,
        atol=1e-5,
    )


def test_a_peak_outside_the_box_hides_a_farther_one_inside():
    """The nearest one is looked for first, and refused afterwards, as officially."""
    peaks = JointPeaks(
        torch.tensor([[[[10.5, 5.0], [8.0, 5.0]]]]), torch.tensor([[[0.9, 0.9]]])
    )
    boxes = torch.tensor([[[0.0, 0, 10, 10]]])
    joints = torch.tensor([[[[9.5, 5.0]]]])
    kept = snap_joints(joints, boxes, peaks, score_thr=0.1, max_distance=0.3)
    assert torch.equal(kept, joints)


def test_two_people_may_take_the_same_peak_of_their_image_alone():
    peaks = JointPeaks(
        torch.tensor([[[[5.0, 5.0]]], [[[1.0, 1.0]]]]), torch.ones(2, 1, 1)
    )
    boxes = torch.tensor([0.0, 0, 10, 10]).expand(2, 2, 4)
    joints = (
        torch.tensor([[4.0, 4.0], [6.0, 6.0]]).view(1, 2, 1, 2).expand(2, -1, -1, -1)
    )
    found = snap_joints(joints, boxes, peaks, score_thr=0.1, max_distance=0.3)
    assert found[0].flatten().tolist() == [5.0] * 4
    assert torch.equal(found[1], joints[1])


def test_a_map_without_peaks_and_no_detections_change_nothing():
    joints, boxes = torch.rand(1, 3, 2, 2) * 5, torch.tensor([0.0, 0, 5, 5])
    cold = torch.full((1, 2, 4, 6), -30.0)
    pose = JointPoints()
    boxes = boxes.expand(1, 3, 4)
    assert torch.equal(pose.refine(joints, boxes, cold, None), joints)
    nobody = pose.refine(joints[:, :0], boxes[:, :0], cold, None)
    assert nobody.shape == (1, 0, 2, 2)


def test_peaks_lie_where_targets_were_painted():
    boxes = torch.tensor([[2.0, 2, 22, 30], [20, 8, 30, 28]])
    joints = torch.tensor([[[3.7, 4.2], [20.9, 29.5]], [[25.0, 9.9], [29.1, 20.3]]])
    targets = joint_targets(people_targets(boxes, (1, 1, 40, 48)), joints)
    offset = torch.zeros(1, 2, 40, 48)
    xs, ys = targets.centers.T
    offset[0, :, ys, xs] = targets.offsets.T
    peaks = find_joints(paint_heatmap(targets).logit(eps=1e-6), offset, 2)
    for joint in range(2):
        found = sorted(peaks.points[0, joint].tolist())
        expected = sorted(joints[:, joint].tolist())
        np.testing.assert_allclose(found, expected, atol=1e-5)


def random_pose(size):
    """Joints of three people, their boxes and both maps."""
    torch.manual_seed(size)
    starts = torch.rand(1, 3, 2) * size / 2
    boxes = torch.cat([starts, starts + size / 2], -1)
    joints = starts[:, :, None] + torch.rand(1, 3, 4, 2) * size / 2
    return (
        joints,
        boxes,
        torch.randn(1, 4, size, size + 2) * 3,
        torch.rand(1, 2, size, size + 2),
    )


def test_a_trace_works_at_other_sizes():
    """For ONNX: no size of the traced input may freeze into the graph."""
    pose = JointPoints(topk=20, max_distance=2.0)
    traced = torch.jit.trace(pose.refine, random_pose(9), check_trace=False)
    for size in (3, 9, 16):
        sample = random_pose(size)
        refined = pose.refine(*sample)
        assert (refined != sample[0]).any()
        torch.testing.assert_close(traced(*sample), refined)


def test_flipped_heatmaps_swap_left_and_right():
    prop = KeypointsProperty(num_points=3, flip_pairs=[(1, 2)])
    logits = torch.randn(2, 3, 4, 5)
    assert torch.equal(JointPoints().flip_heatmap(logits, prop), logits[:, [0, 2, 1]])


@pytest.mark.parametrize(
    'wrong',
    [dict(score_thr=1.5), dict(score_thr=None), dict(max_distance=0), dict(topk=0)],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        JointPoints(**wrong)
