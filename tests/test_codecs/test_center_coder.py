import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.dense_heads import CenterNetHead

from helpers.half import needs_pooling
from helpers.shared_data import load_golden
from mmdet_centernet.codecs import (
    CenterNetTargetAssigner,
    decode_centers,
    paint_heatmap,
)

STRIDE = 4


def golden_maps(seed, shape):
    """Logits, sizes and offsets as the golden README draws them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    batch, _, *feat_shape = shape
    draws = (
        generator.normal(-2, 1.5, shape),
        generator.uniform(1, 20, (batch, 2, *feat_shape)),
        generator.uniform(0, 1, (batch, 2, *feat_shape)),
    )
    return [torch.tensor(draw, dtype=torch.float32) for draw in draws]


def decode(maps, **kwargs):
    return decode_centers(*maps, **{'stride': 1, 'topk': 100, 'kernel': 3, **kwargs})


def as_rows(found):
    """(B, K, 6) rows of the golden vectors: box, score, class."""
    return torch.cat(
        [found.boxes, found.scores[..., None], found.labels[..., None].float()], -1
    ).numpy()


@pytest.mark.parametrize('case', ['a_80x32x40', 'b_80x128x128'])
@pytest.mark.parametrize(('k', 'field'), [(100, 'dets_with_reg'), (40, 'dets_K40')])
def test_equals_golden(case, k, field):
    golden = load_golden('decode')
    maps = golden_maps(int(golden[f'{case}__seed']), golden[f'{case}__shape'].tolist())
    rows, expected = as_rows(decode(maps, topk=k)), golden[f'{case}__{field}']
    np.testing.assert_allclose(rows[..., :4], expected[..., :4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(rows[..., 4], expected[..., 4], rtol=0, atol=1e-6)
    assert np.array_equal(rows[..., 5], expected[..., 5])


def test_few_peaks_equal_golden_and_the_rest_scores_zero():
    golden = load_golden('decode')
    seed, shape = golden['c_few_peaks__seed'], golden['c_few_peaks__shape']
    rows = as_rows(decode(golden_maps(int(seed), shape.tolist())))
    count = int(golden['c_few_peaks__num_valid'][0])
    expected = golden['c_few_peaks__dets_valid'][0]
    np.testing.assert_allclose(rows[0, :count], expected, rtol=0, atol=1e-5)
    assert (rows[0, :count, 4] > 0).all()
    assert (rows[0, count:, 4] == 0).all()


def test_plateau_keeps_all_its_cells_as_golden():
    golden = load_golden('decode')
    heat = torch.tensor(golden['e_plateau__heat_probs'])
    generator = np.random.Generator(
        np.random.PCG64(int(golden['e_plateau__wh_reg_seed']))
    )
    generator.normal(-2, 1.5, heat.shape)
    sizes = generator.uniform(1, 20, (1, 2, 10, 12))
    offsets = generator.uniform(0, 1, (1, 2, 10, 12))
    maps = [heat.logit(), torch.tensor(sizes), torch.tensor(offsets)]
    rows = as_rows(decode(maps, topk=7))[0]
    rows = rows[np.lexsort((rows[:, 0], -rows[:, 4].round(5)))]
    expected = golden['e_plateau__dets_K7_sorted_set']
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


def test_equals_stock_decode():
    maps = golden_maps(7, (3, 5, 24, 32))
    head = CenterNetHead(8, 8, 5)
    boxes, labels = head._decode_heatmap(
        maps[0].sigmoid(), maps[1], maps[2], (96, 128), k=50, kernel=5
    )
    found = decode(maps, stride=STRIDE, topk=50, kernel=5)
    torch.testing.assert_close(found.boxes, boxes[..., :4], rtol=0, atol=1e-4)
    torch.testing.assert_close(found.scores, boxes[..., 4], rtol=0, atol=1e-6)
    assert torch.equal(found.labels, labels)


@needs_pooling
def test_half_precision_maps_give_float32_boxes():
    maps = [one.half() for one in golden_maps(1, (1, 2, 8, 8))]
    found = decode(maps, topk=5)
    assert found.boxes.dtype == found.scores.dtype == torch.float32


@pytest.mark.parametrize(
    ('shape', 'kernel', 'k', 'count'),
    [((1, 2, 3, 3), 3, 100, 18), ((2, 1, 1, 1), 7, 100, 1), ((1, 1, 2, 5), 5, 3, 3)],
)
def test_small_maps(shape, kernel, k, count):
    found = decode(golden_maps(3, shape), kernel=kernel, topk=k)
    assert found.boxes.shape == (shape[0], count, 4)
    best = golden_maps(3, shape)[0].flatten(1).amax(1).sigmoid()
    assert torch.equal(found.scores[:, 0], best)


def test_flat_map_has_only_plateau_peaks_and_does_not_fail():
    maps = [torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)]
    assert decode(maps, topk=10).scores.eq(0.5).all()


@st.composite
def boxes_in_separate_cells(draw):
    """Boxes inside a 256 x 192 image, each centered in a cell of its own."""
    cells = draw(
        st.lists(
            st.tuples(st.integers(1, 61), st.integers(1, 45)),
            min_size=1,
            max_size=20,
            unique=True,
        )
    )
    fraction = st.floats(0, 0.99)
    boxes = []
    for cell_x, cell_y in cells:
        x = (cell_x + draw(fraction)) * STRIDE
        y = (cell_y + draw(fraction)) * STRIDE
        half_w = draw(st.floats(0.5, 1)) * min(x, 251 - x)
        half_h = draw(st.floats(0.5, 1)) * min(y, 187 - y)
        boxes.append([x - half_w, y - half_h, x + half_w, y + half_h])
    return boxes


@settings(max_examples=50)
@given(boxes_in_separate_cells(), st.sampled_from(['official', 'corrected', 'mmdet']))
def test_decoding_the_targets_returns_the_boxes(boxes, rule):
    boxes = torch.tensor(boxes)
    labels = torch.arange(len(boxes))  # a class each: Gaussians do not merge
    shape = (1, len(boxes), 48, 64)
    targets = CenterNetTargetAssigner(radius_rule=rule).assign(
        [boxes], [labels], shape, stride=STRIDE
    )
    wh, offset = torch.zeros(2, 1, 2, 48, 64)
    xs, ys = targets.centers.unbind(1)
    wh[0, :, ys, xs] = targets.sizes.T
    offset[0, :, ys, xs] = targets.offsets.T
    maps = paint_heatmap(targets).logit(), wh, offset
    found = decode(maps, stride=STRIDE, topk=len(boxes))
    order = found.labels[0].argsort()
    assert torch.equal(found.labels[0, order], labels)
    assert found.scores[0].eq(1).all()
    torch.testing.assert_close(found.boxes[0, order], boxes, rtol=0, atol=1e-3)
