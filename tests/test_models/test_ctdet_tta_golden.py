"""Flipped images and scales of the official code, from maps to boxes."""

import numpy as np
import pytest
import torch

from helpers.official_merge import golden_scales, slow_merge
from helpers.shared_data import load_golden
from helpers.views import (
    Canned,
    as_rows,
    by_score,
    golden_maps,
    join,
    run,
    view,
)
from mmdet_centernet.models import CTDetTTAModel


def by_class(rows):
    return rows[np.lexsort((-rows[:, 4], rows[:, 5]))]


@pytest.mark.parametrize('case', ['f_flip', 'f_flip_noreg'])
def test_flip_equals_golden(case):
    golden = load_golden('decode')
    shape = golden[f'{case}__shape'].tolist()
    maps = golden_maps(golden[f'{case}__seed'], shape)
    if case == 'f_flip_noreg':
        maps[2] = torch.full_like(maps[2], 0.5)
    canned = [[one[i : i + 1] for one in maps] for i in range(2)]
    model = CTDetTTAModel(Canned(canned, stride=1))
    (found,) = run(model, join(view((0, 1), size=tuple(shape[2:]))))
    rows, expected = as_rows(found), golden[f'{case}__dets'][0]
    np.testing.assert_allclose(rows[:, :4], expected[:, :4], rtol=0, atol=1e-5)
    np.testing.assert_allclose(rows[:, 4], expected[:, 4], rtol=0, atol=1e-6)
    assert np.array_equal(rows[:, 5], expected[:, 5])


def multiscale_views(golden):
    """Maps and views of the five scales of `h_multiscale`."""
    height, width = golden['h_multiscale__img_hw'].tolist()
    maps, views = [], []
    for number, scale in enumerate(golden['h_multiscale__scales'].tolist()):
        shape = golden[f'h_multiscale__s{number}_shape'].tolist()
        seed = golden[f'h_multiscale__s{number}_seed']
        maps.append(golden_maps(seed, shape, wh_factor=2))
        size = tuple(4 * cells for cells in shape[2:])
        matrix = np.diag([scale, scale, 1.0])
        matrix[0, 2] = size[1] / 2 - int(width * scale) // 2
        matrix[1, 2] = size[0] / 2 - int(height * scale) // 2
        meta = dict(homography_matrix=matrix, ori_shape=(height, width))
        views.append(view((number, number), size=size, metas=[meta]))
    return maps, views


def test_each_scale_equals_golden():
    golden = load_golden('decode')
    maps, views = multiscale_views(golden)
    model = CTDetTTAModel(Canned(maps), flip=False)
    for number, one in enumerate(views):
        (found,) = run(model, join(one))
        expected = by_class(golden[f'h_multiscale__s{number}_dets'])
        np.testing.assert_allclose(
            by_class(as_rows(found)), expected, rtol=0, atol=1e-3
        )


def test_several_scales_equal_the_official_merge_from_maps_to_boxes():
    golden = load_golden('decode')
    maps, views = multiscale_views(golden)
    (found,) = run(CTDetTTAModel(Canned(maps), flip=False), join(*views))
    expected = slow_merge(golden_scales(golden, 'h_multiscale'), leave_stale=False)
    np.testing.assert_allclose(by_score(as_rows(found)), expected, rtol=0, atol=1e-3)
