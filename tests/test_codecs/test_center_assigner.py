import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.utils import gaussian_radius as mmdet_gaussian_radius

from helpers.shared_data import golden_cases, load_golden
from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    JointPoints,
    KeypointsProperty,
    assign_covered_cells,
    make_head_targets,
    paint_heatmap,
    sparse_heatmap,
)
from mmdet_centernet.codecs.center_assigner import RADIUS_RULES, check_annotations
from mmdet_centernet.functional.gaussian import gaussian_radius

STRIDE = 4
SHAPE = (1, 3, 32, 32)


def assign(boxes, labels=None, shape=SHAPE, ignored=None, **kwargs):
    boxes = [torch.as_tensor(b, dtype=torch.float32).view(-1, 4) for b in boxes]
    labels = labels or [torch.zeros(len(b), dtype=torch.long) for b in boxes]
    return CenterNetTargetAssigner(**kwargs).assign(
        boxes, labels, (len(boxes), *shape[1:]), stride=STRIDE, ignored_boxes=ignored
    )


@pytest.mark.parametrize('case', golden_cases('targets', 'drawn_x_y_radius'))
def test_official_rule_equals_golden(case):
    golden = load_golden('targets')

    def field(name):
        return golden[f'{case}__{name}']

    height, width = field('out_hw').tolist()
    targets = assign(
        [torch.tensor(field('boxes') * STRIDE)],
        [torch.tensor(field('labels'))],
        (1, 80, height, width),
        max_objects=128,
    )
    slots = field('reg_mask').astype(bool)
    count = len(targets.valid)
    assert np.array_equal(targets.valid.numpy(), slots[:count])
    assert not slots[count:].any()
    valid = targets.valid.numpy()
    cells = (targets.centers[:, 1] * width + targets.centers[:, 0]).numpy()
    assert np.array_equal(cells[valid], field('ind')[slots])
    np.testing.assert_allclose(
        targets.sizes.numpy()[valid], field('wh')[slots], atol=1e-6
    )
    np.testing.assert_allclose(
        targets.offsets.numpy()[valid], field('reg')[slots], atol=1e-6
    )
    drawn = torch.cat([targets.centers, targets.radii[:, None]], 1).numpy()
    assert np.array_equal(drawn[valid], field('drawn_x_y_radius'))
    heatmap = np.zeros(field('hm_shape'), dtype=np.float32)
    heatmap.flat[field('hm_idx')] = field('hm_val')
    painted = paint_heatmap(targets)[0].numpy()
    np.testing.assert_allclose(painted, heatmap, rtol=0, atol=1e-6)
    assert np.array_equal(painted == 1, heatmap == 1)


def test_without_limit_every_object_is_kept():
    golden = load_golden('targets')
    boxes = torch.tensor(golden['128x128_more_than_128__boxes'] * STRIDE)
    labels = torch.tensor(golden['128x128_more_than_128__labels'])
    targets = assign([boxes], [labels], (1, 80, 128, 128))
    assert len(targets.valid) == len(boxes) == 150


def test_mmdet_rule_has_the_radii_of_mmdet():
    generator = torch.Generator().manual_seed(0)
    sizes = torch.rand((200, 2), generator=generator) * 100 + 1
    starts = torch.rand((200, 2), generator=generator) * 20
    targets = assign([torch.cat([starts, starts + sizes], 1)], radius_rule='mmdet')
    expected = [
        int(mmdet_gaussian_radius((h, w), min_overlap=0.3))
        for w, h in (sizes / STRIDE).tolist()
    ]
    assert targets.radii.tolist() == expected


def test_official_radii_are_those_of_whole_cells():
    boxes = [[8, 8, 8 + width, 30 + width / 2] for width in range(4, 100)]
    targets = assign([boxes])
    whole = gaussian_radius(targets.sizes.ceil(), 0.7, corrected=False).long()
    assert torch.equal(targets.radii, whole)
    broken = gaussian_radius(targets.sizes, 0.7, corrected=False).long()
    assert not torch.equal(targets.radii, broken)


def test_boxes_are_clipped_to_the_last_column_and_row():
    targets = assign([[[40, 40, 200, 200]]], shape=(1, 3, 16, 32))
    assert targets.sizes.tolist() == [[21.0, 5.0]]
    assert targets.centers.tolist() == [[20, 12]]


def test_mmdet_rule_does_not_clip_and_official_does():
    box = [[64.0, 64.0, 128.0, 128.0]]
    official, mmdet = assign([box]), assign([box], radius_rule='mmdet')
    assert official.sizes.tolist() == [[15.0, 15.0]]
    assert mmdet.sizes.tolist() == [[16.0, 16.0]]
    assert assign([box], clip_boxes=False).sizes.tolist() == [[16.0, 16.0]]


def test_two_objects_in_a_cell_both_keep_their_targets():
    targets = assign([[[8, 8, 24, 24], [10, 10, 22, 22]]])
    assert targets.centers.tolist() == [[4, 4], [4, 4]]
    assert targets.sizes.tolist() == [[4.0, 4.0], [3.0, 3.0]]
    assert targets.valid.all()
    assert paint_heatmap(targets).eq(1).sum() == 1


@pytest.mark.parametrize(
    'box',
    [
        [8, 8, 8, 24],
        [24, 8, 8, 24],
        [float('nan'), 8, 24, 24],
        [8, 8, float('inf'), 24],
        [-float('inf'), 8, 24, 24],
        [200, 8, 220, 24],
        [-20, 8, -4, 24],
        [-1e30, 0, 1e30, 0],
    ],
)
@pytest.mark.parametrize('rule', ['official', 'mmdet'])
def test_unusable_boxes_are_dropped_and_leave_no_trace(box, rule):
    good = [40.0, 40.0, 60.0, 70.0]
    targets = assign([[box, good]], radius_rule=rule)
    alone = assign([[good]], radius_rule=rule)
    assert targets.dropped.tolist() == [True, False]
    assert targets.valid.tolist() == [False, True]
    assert torch.equal(paint_heatmap(targets), paint_heatmap(alone))
    for values in (targets.sizes, targets.offsets):
        assert values.isfinite().all()


def test_a_thin_box_on_the_last_cell_is_left_out_but_not_called_broken():
    targets = assign([[[125.0, 10.0, 128.0, 50.0]]])
    assert targets.valid.tolist() == [False]
    assert targets.dropped.tolist() == [False]


def test_labels_outside_the_classes_are_marked():
    box = [8.0, 8.0, 24.0, 24.0]
    targets = assign([[box] * 4], [torch.tensor([-1, 3, 255, 2])])
    assert targets.mislabeled.tolist() == [True, True, True, False]
    assert targets.valid.tolist() == [False, False, False, True]


def test_objects_know_their_image():
    box = [8.0, 8.0, 24.0, 24.0]
    targets = assign([[box], [], [box, box]])
    assert targets.images.tolist() == [0, 2, 2]
    painted = paint_heatmap(targets)
    assert painted.amax((1, 2, 3)).tolist() == [1.0, 0.0, 1.0]


def test_ignored_regions_mark_the_cells_inside():
    regions = [torch.tensor([[16.0, 32.0, 40.0, 48.0]]), torch.zeros((0, 4))]
    ignored = assign([[], []], ignored=regions).ignored
    expected = torch.zeros((2, 32, 32), dtype=torch.bool)
    expected[0, 8:12, 4:10] = True
    assert torch.equal(ignored, expected)
    assert assign([[], []], ignored=regions, use_ignored=False).ignored is None
    assert assign([[], []], ignored=[torch.zeros((0, 4))] * 2).ignored is None


def test_a_region_ends_at_the_middle_of_a_cell():
    # Its left and upper edges lie on middles, which count; the others do not.
    regions = [torch.tensor([[2.0, 6.0, 14.0, 18.0]])]
    ignored = assign([[]], ignored=regions).ignored
    expected = torch.zeros((1, 32, 32), dtype=torch.bool)
    expected[0, 1:4, 0:3] = True
    assert torch.equal(ignored, expected)


@pytest.mark.parametrize(
    ('box', 'on_map'),
    [
        ([-40, 40, 40, 60], True),  # the center lies on the left border
        ([-44, 40, 40, 60], False),
        ([100, 40, 156, 60], False),  # on the right border, which is no cell
        ([100, 40, 155, 60], True),
        ([40, -44, 60, 40], False),
        ([40, 100, 60, 156], False),
    ],
)
def test_without_clipping_a_center_has_to_lie_on_the_map(box, on_map):
    targets = assign([[box]], radius_rule='mmdet')
    assert targets.valid.tolist() == [on_map]


OBJECTS = st.tuples(
    *(st.integers(0, most) for most in (1, 2, 3, 2)),  # image, class, column, row
    st.sampled_from([0, 1, 9]),  # pixels around the middle of the cell
)


@settings(max_examples=200)
@given(st.lists(OBJECTS, max_size=12))
def test_peaks_are_the_cells_that_hold_a_center(objects):
    boxes, labels, centers = ([], []), ([], []), set()
    for image, label, x, y, reach in objects:
        middle = [STRIDE * (x + 0.5), STRIDE * (y + 0.5)]
        boxes[image].append([at + side for side in (-reach, reach) for at in middle])
        labels[image].append(label)
        centers |= {(image, label, y, x)} if reach else set()
    labels = [torch.tensor(some, dtype=torch.long) for some in labels]
    targets = assign(boxes, labels, shape=(2, 3, 3, 4), radius_rule='mmdet')
    assert sparse_heatmap(targets).num_peaks == len(centers)
    assert set(map(tuple, (paint_heatmap(targets) == 1).nonzero().tolist())) == centers


@pytest.mark.parametrize('rule', RADIUS_RULES)
@pytest.mark.parametrize('count', [10, 10_000])
def test_no_more_cells_are_listed_than_gaussians_cover(rule, count):
    """Of boxes of 8 to 48 pixels, as in crowded scenes."""
    generator = torch.Generator().manual_seed(0)
    centers, sizes = (torch.rand(count, 2, generator=generator) for _ in range(2))
    centers, sizes = centers * 128, sizes * 40 + 8
    corners = torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1)
    targets = assign([corners], shape=(1, 3, 32, 32), radius_rule=rule)
    radii = targets.radii[targets.valid]
    most = int((2 * radii + 1).square().sum())
    heat = sparse_heatmap(targets)
    assert most / 4 <= len(heat.positions) <= most  # the rest lies outside the map
    assert len(assign_covered_cells(targets).objects) == len(heat.positions)


def test_lengths_of_lists_are_read_once(monkeypatch):
    """The host reads all lengths of a batch in one sync."""
    reads = []
    monkeypatch.setattr(
        'mmdet_centernet.codecs.targets.read_back',
        lambda counts: reads.append(len(counts)) or [int(one) for one in counts],
    )
    targets = assign([[[8, 8, 24, 24]]])
    points = torch.tensor([[[4.0, 5.0], [3.0, 3.0]]])
    joints = dict(joint=JointPoints(), other=JointPoints())
    prop = KeypointsProperty(num_points=2, whole_gaussian=True)
    make_head_targets(
        targets,
        dict(keypoints=points),
        dict(keypoints=prop),
        joints,
        whole_gaussian=True,
    )
    assert reads == [3]


def test_only_the_first_so_many_boxes_are_looked_at():
    targets = assign([[[8, 8, 24, 24], [40, 40, 60, 60]]] * 2, max_objects=1)
    assert targets.centers.tolist() == [[4, 4], [4, 4]]


@pytest.mark.parametrize(
    ('kwargs', 'advice'),
    [
        ({'radius_rule': 'paper'}, "'corrected', 'mmdet', 'official'"),
        ({'min_overlap': 1.0}, 'between 0 and 1'),
        ({'min_overlap': 0.0}, 'between 0 and 1'),
        ({'max_objects': 0}, 'None for no limit'),
    ],
)
def test_bad_arguments_say_what_to_do(kwargs, advice):
    with pytest.raises(ValueError, match=advice):
        CenterNetTargetAssigner(**kwargs)


BOXES, LABELS = torch.zeros((2, 4)), torch.zeros(2, dtype=torch.long)


@pytest.mark.parametrize(
    ('boxes', 'labels', 'num_images', 'message'),
    [
        ([], [], 0, 'at least one image'),
        ([BOXES], [LABELS], 2, '1 lists of boxes and 1 of labels for 2 images'),
        ([BOXES] * 2, [LABELS], 2, '2 lists of boxes and 1 of labels for 2'),
        ([BOXES], [LABELS] * 2, 2, '1 lists of boxes and 2 of labels for 2'),
        (
            [BOXES, BOXES[:1]],
            [LABELS, LABELS],
            2,
            r'image 1 .* boxes of shape \(1, 4\) and labels of shape \(2,\)',
        ),
        ([BOXES[:, :3]], [LABELS], 1, r'\(2, 3\).*; give \(n, 4\) and \(n,\)'),
        ([BOXES], [LABELS[:, None]], 1, r'labels of shape \(2, 1\)'),
        ([BOXES], [LABELS.float()], 1, 'image 0 .* are torch.float32; .* torch.long'),
        (
            [BOXES],
            [LABELS.cfloat()],
            1,
            'image 0 .* are torch.complex64; .* torch.long',
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused(boxes, labels, num_images, message):
    with pytest.raises(ValueError, match=message):
        check_annotations(boxes, labels, num_images)


def test_lists_that_fit_are_taken():
    check_annotations([BOXES, BOXES[:0]], [LABELS, torch.zeros(0)], 2)
