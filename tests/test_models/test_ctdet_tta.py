"""What averaging and merging leave as it is."""

import weakref

import numpy as np
import pytest
import torch
from mmdet.models.dense_heads import CenterNetHead
from mmengine.structures import InstanceData

from helpers.views import (
    Canned,
    assert_same,
    golden_maps,
    image_view,
    join,
    real_model,
    run,
    view,
)
from mmdet_centernet.models import CTDetTTAModel


@pytest.mark.parametrize(
    'test_cfg',
    [
        {},
        dict(score_thr=0.3, clip_border=True),
        dict(nms=dict(type='nms', iou_threshold=0.4)),
    ],
    ids=['plain', 'threshold-clip', 'nms'],
)
def test_one_view_as_it_is_equals_plain_prediction(test_cfg):
    model = real_model(**test_cfg)
    sizes = (60, 90), (64, 64), (33, 120)
    metas = dict(scale_factor=(0.5, 0.75), border=np.array([3, 50, 5, 60]))
    one = image_view(sizes, **metas)
    expected = run(model, one)
    got = run(CTDetTTAModel(model, flip=False), join(one))
    for found, plain in zip(got, expected, strict=True):
        assert_same(found, plain, atol=0)


def test_flipping_changes_nothing_where_left_and_right_are_the_same():
    model = real_model(equivariant=True)
    one = image_view([(64, 96)] * 3, scale_factor=(0.5, 0.75))
    expected = run(model, one)
    got = run(CTDetTTAModel(model), join(one))
    for found, plain in zip(got, expected, strict=True):
        assert_same(found, plain, atol=1e-3)


def test_flip_equals_stock_decode_of_averaged_probabilities():
    model = real_model()
    one = image_view([(64, 96), (64, 96)])
    (batch, samples) = model.data_preprocessor(one).values()
    with torch.no_grad():
        maps = [m[0] for m in model(batch, samples)]
        flipped = [m[0].flip(-1) for m in model(batch.flip(-1), samples)]
    heat = (maps[0].sigmoid() + flipped[0].sigmoid()) / 2
    boxes, labels = CenterNetHead(8, 8, 3)._decode_heatmap(
        heat, (maps[1] + flipped[1]) / 2, maps[2], (64, 96), k=100, kernel=3
    )
    got = run(CTDetTTAModel(model), join(one))
    for found, box, label in zip(got, boxes, labels, strict=True):
        expected = InstanceData(bboxes=box[:, :4], scores=box[:, 4], labels=label)
        assert_same(found, expected, atol=1e-4)


def test_batches_give_what_single_images_give():
    model = CTDetTTAModel(real_model())
    first, second = (
        image_view([(64, 96)] * 3, seed, scale_factor=(factor, factor))
        for seed, factor in enumerate((1.0, 2.0))
    )
    together = run(model, join(first, second))
    for number, expected in enumerate(together):
        pick = slice(number, number + 1)
        alone = [{k: v[pick] for k, v in one.items()} for one in (first, second)]
        assert_same(run(model, join(*alone))[0], expected, atol=1e-3)


def test_the_last_stack_is_averaged():
    maps = [golden_maps(seed, (1, 3, 16, 16)) for seed in range(4)]

    class Stacked(Canned):
        def _forward(self, inputs, samples=None):
            last = super()._forward(inputs, samples)
            return tuple([torch.zeros_like(one[0]), one[0]] for one in last)

    data = join(view((0, 1), (2, 3), size=(64, 64)))
    expected = run(CTDetTTAModel(Canned(maps)), data)
    got = run(CTDetTTAModel(Stacked(maps, num_stacks=2)), data)
    for found, plain in zip(got, expected, strict=True):
        assert_same(found, plain, atol=0)


@pytest.mark.parametrize(('max_per_img', 'count'), [(7, 7), (-1, 150), (1000, 150)])
def test_the_best_are_kept(max_per_img, count):
    maps = [golden_maps(seed, (1, 3, 16, 16)) for seed in range(2)]
    model = CTDetTTAModel(
        Canned(maps, test_cfg=dict(topk=150)),
        tta_cfg=dict(max_per_img=max_per_img),
    )
    (found,) = run(model, join(view((0, 1), size=(64, 64))))
    assert len(found) == count
    assert found.scores.diff().le(0).all()


def test_nothing_found_at_any_scale():
    maps = [golden_maps(0, (1, 3, 16, 16))]
    model = CTDetTTAModel(Canned(maps, test_cfg=dict(score_thr=0.9999)))
    one = view((0, 0), (0, 0), size=(64, 64))
    for found in run(model, join(one, one, one)):
        assert found.bboxes.shape == (0, 4)


def test_one_view_is_in_memory_at_a_time():
    seen = []

    class Watched(Canned):
        def _forward(self, inputs, samples=None):
            assert not any(reference() is not None for reference in seen)
            maps = super()._forward(inputs, samples)
            seen.extend(weakref.ref(one) for one in (inputs, *(m[0] for m in maps)))
            return maps

    maps = [golden_maps(0, (1, 3, 16, 16))]
    views = [view((0, 0), size=(64, 64)) for _ in range(3)]
    found = run(CTDetTTAModel(Watched(maps), flip=False), join(*views))
    assert len(seen) == 3 * 4
    assert not any(reference() is not None for reference in seen)
    assert len(found[0]) == 100
