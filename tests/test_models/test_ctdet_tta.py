import weakref

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.dense_heads import CenterNetHead
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from shared_data import load_golden
from stock import stock_config

import mmdet_centernet  # noqa: F401
from mmdet_centernet.models import CTDetHead, CTDetTTAModel
from mmdet_centernet.models.ctdet_tta import TTA_DEFAULTS
from mmdet_centernet.models.postprocess import merge_scales, refine

# --- views and networks to run on them ------------------------------------------------


class Canned(SingleStageDetector):
    """A network that has learned by heart what to say about each image.

    The first pixel of an image is the number of its maps, the last in the first row
    that of its mirror image.
    """

    def __init__(self, maps, **head):
        super(SingleStageDetector, self).__init__(DetDataPreprocessor())
        self.bbox_head = CTDetHead(1, 1, maps[0][0].shape[1], **head)
        self.maps = maps

    def _forward(self, inputs, samples=None):
        numbers = inputs[:, 0, 0, 0].int().tolist()
        return tuple(
            [torch.cat([self.maps[n][branch] for n in numbers])] for branch in range(3)
        )


def view(*numbers, size, metas=None):
    """A view of some images, for `Canned`: numbers of their maps, mirrored ones too."""
    inputs, samples = [], []
    for straight, mirrored in numbers:
        image = torch.zeros(3, *size)
        image[0, 0, 0], image[0, 0, -1] = straight, mirrored
        inputs.append(image)
        samples.append(DetDataSample(metainfo=dict(img_shape=size, ori_shape=size)))
    for sample, meta in zip(samples, metas or [], strict=metas is not None):
        sample.set_metainfo(meta)
    return dict(inputs=inputs, data_samples=samples)


def join(*views):
    """Views as the data loader gives them."""
    return {key: [one[key] for one in views] for key in ('inputs', 'data_samples')}


class Pool(torch.nn.Module):
    """A backbone of stride 4 to which left and right are the same."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return [torch.nn.functional.avg_pool2d(self.conv(x), 4)]


def real_model(*, equivariant=False, **test_cfg):
    """A detector with random weights and scores all over the range."""
    torch.manual_seed(0)
    init_default_scope('mmdet')
    cfg = dict(
        type='SingleStageDetector',
        data_preprocessor=dict(
            type='DetDataPreprocessor',
            mean=[100] * 3,
            std=[60] * 3,
            pad_size_divisor=32,
        ),
        backbone=dict(type='ResNet', depth=18, base_channels=8, num_stages=1),
        bbox_head=dict(type='CTDetHead', num_classes=3, in_channels=8, feat_channels=8),
        test_cfg=test_cfg,
    )
    cfg['backbone'].update(strides=(1,), dilations=(1,), out_indices=(0,))
    model = MODELS.build(cfg)
    if equivariant:
        model.backbone = Pool()
        for name, weight in model.named_parameters():
            if name.startswith('bbox_head') and weight.ndim == 4:
                weight.data = (weight + weight.flip(-1)).data
    model.bbox_head.heatmap_head[-1].weight.data *= 4
    model.bbox_head.wh_head[-1].bias.data.fill_(3)
    return model.eval()


def image_view(sizes, seed=0, **metas):
    """A view of random images."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [
        torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
        for size in sizes
    ]
    samples = [
        DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, **metas))
        for size in sizes
    ]
    return dict(inputs=inputs, data_samples=samples)


def run(model, data):
    with torch.no_grad():
        return [sample.pred_instances for sample in model.test_step(data)]


def as_rows(found):
    """(K, 6) rows of the golden vectors: box, score, class."""
    columns = found.bboxes, found.scores[:, None], found.labels[:, None]
    return torch.cat(columns, 1).double().numpy()


def by_class(rows):
    return rows[np.lexsort((-rows[:, 4], rows[:, 5]))]


def by_score(rows):
    return rows[np.lexsort((rows[:, 0], -rows[:, 4]))]


def assert_same(found, expected, atol=1e-5):
    assert len(found) == len(expected)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.bboxes, expected.bboxes, rtol=0, atol=atol)
    assert torch.equal(found.labels, expected.labels)


# --- golden vectors -------------------------------------------------------------------


def golden_maps(seed, shape, wh_factor=1):
    generator = np.random.Generator(np.random.PCG64(int(seed)))
    batch, _, *size = shape
    logits = generator.normal(-2, 1.5, shape)
    sizes = generator.uniform(1, 20, (batch, 2, *size)).astype(np.float32) * wh_factor
    offsets = generator.uniform(0, 1, (batch, 2, *size))
    return [torch.tensor(m, dtype=torch.float32) for m in (logits, sizes, offsets)]


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


def slow_soft_nms(rows, *, leave_stale, sigma=0.5, floor=0.001):
    """Gaussian soft NMS on the rows of one class, as the official code does it.

    A box that falls under the floor is overwritten by the last live one, whose old row
    stays behind the end: stale rows, which the official code hands out as well.
    """
    rows, end, first = rows.astype(np.float64), len(rows), 0
    while first < end:
        best = first + rows[first:end, 4].argmax()
        rows[[first, best]] = rows[[best, first]]
        at = first + 1
        while at < end:
            low = np.maximum(rows[first, :2], rows[at, :2])
            sides = np.minimum(rows[first, 2:4], rows[at, 2:4]) - low + 1
            if (sides > 0).all():
                overlap = sides.prod()
                areas = (rows[[first, at], 2:4] - rows[[first, at], :2] + 1).prod(1)
                iou = overlap / (areas.sum() - overlap)
                rows[at, 4] *= np.exp(-(iou**2) / sigma)
                if rows[at, 4] < floor:
                    end -= 1
                    rows[at] = rows[end]
                    at -= 1
            at += 1
        first += 1
    return rows if leave_stale else rows[:end]


def slow_merge(per_scale, *, leave_stale):
    """The official merge: soft NMS class by class, then the best 100."""
    rows = np.concatenate(per_scale)
    classes = [rows[rows[:, 5] == label] for label in np.unique(rows[:, 5])]
    merged = np.concatenate(
        [slow_soft_nms(one, leave_stale=leave_stale) for one in classes]
    )
    return by_score(merged)[:100]


def golden_scales(golden, case):
    names = sorted(
        name for name in golden.files if name.startswith(case) and '_dets' in name
    )
    return [golden[name] for name in names]


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


def test_several_scales_equal_the_official_merge_from_maps_to_boxes():
    golden = load_golden('decode')
    maps, views = multiscale_views(golden)
    (found,) = run(CTDetTTAModel(Canned(maps), flip=False), join(*views))
    expected = slow_merge(golden_scales(golden, 'h_multiscale'), leave_stale=False)
    np.testing.assert_allclose(by_score(as_rows(found)), expected, rtol=0, atol=1e-3)


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


# --- identities -----------------------------------------------------------------------


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


def test_mirroring_changes_nothing_where_left_and_right_are_the_same():
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
        mirrored = [m[0].flip(-1) for m in model(batch.flip(-1), samples)]
    heat = (maps[0].sigmoid() + mirrored[0].sigmoid()) / 2
    boxes, labels = CenterNetHead(8, 8, 3)._decode_heatmap(
        heat, (maps[1] + mirrored[1]) / 2, maps[2], (64, 96), k=100, kernel=3
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


# --- merging --------------------------------------------------------------------------


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


# --- pipelines that users have --------------------------------------------------------


def collate(pipeline, *images):
    """A batch of images through a pipeline that ends with TestTimeAug."""
    steps = [step for step in pipeline if step['type'] != 'LoadImageFromFile']
    compose = Compose([TRANSFORMS.build(step) for step in steps])
    packed = [
        compose(
            dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], **gt)
        )
        for image in images
        for gt in [dict(instances=[], img_id=0, img_path='photo.jpg')]
    ]
    return pseudo_collate(packed)


def random_image(*size):
    return np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)


def test_views_flipped_by_stock_pipelines_are_left_out():
    """An odd width, so that image and mirror image lie differently in their padding."""
    init_default_scope('mmdet')
    model = CTDetTTAModel(real_model())
    pipeline = stock_config('centernet/centernet_r18_8xb16-crop512-140e_coco.py')
    both = collate(pipeline.tta_pipeline, random_image(51, 75))
    assert len(both['inputs']) == 2
    assert both['data_samples'][0][0].flip
    one = {key: value[1:] for key, value in both.items()}
    assert_same(run(model, both)[0], run(model, one)[0], atol=0)


def test_flips_are_seen_in_the_homography_as_well():
    init_default_scope('mmdet')
    meta_keys = ('ori_shape', 'img_shape', 'homography_matrix')
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    pack = dict(type='PackDetInputs', meta_keys=meta_keys)
    tta = [dict(type='TestTimeAug', transforms=[flips, [pack]])]
    data = collate(tta, random_image(64, 64))
    straight = {key: value[:1] for key, value in data.items()}
    model = CTDetTTAModel(real_model())
    assert_same(run(model, data)[0], run(model, straight)[0], atol=0)


def flipped(*directions):
    views = [image_view([(64, 64)]) for _ in directions]
    for one, direction in zip(views, directions, strict=True):
        one['data_samples'][0].set_metainfo(dict(flip=True, flip_direction=direction))
    return join(*views)


@pytest.mark.parametrize(
    ('data', 'advice'),
    [
        (image_view([(64, 64)]), "end tta_pipeline with dict\\(type='TestTimeAug'"),
        (flipped('horizontal'), 'leave RandomFlip out'),
        (flipped('horizontal', 'vertical'), 'flips an image, vertical'),
        (flipped('diagonal'), 'flips an image, diagonal'),
    ],
)
def test_batches_without_a_view_to_work_on(data, advice):
    with pytest.raises(ValueError, match=advice):
        run(CTDetTTAModel(real_model()), data)


def test_maps_whose_mirror_image_lies_elsewhere_are_refused():
    model = real_model()
    model.data_preprocessor.pad_size_divisor = 1
    data = join(image_view([(64, 90)]))
    with pytest.raises(ValueError, match='pad_size_divisor=32'):
        run(CTDetTTAModel(model), data)
    assert len(run(CTDetTTAModel(model, flip=False), data)[0]) == 100


def test_other_heads_are_refused():
    model = real_model()
    model.bbox_head = CenterNetHead(8, 8, 3)
    with pytest.raises(
        TypeError, match=r"CenterNetHead\. Set bbox_head\.type='CTDetHead'"
    ):
        CTDetTTAModel(model)
    del model.bbox_head
    with pytest.raises(TypeError, match='DetTTAModel'):
        CTDetTTAModel(model)


def test_misspelt_settings_are_refused():
    with pytest.raises(ValueError, match=r'max_per_image.*max_per_img'):
        CTDetTTAModel(real_model(), tta_cfg=dict(max_per_image=10))
