import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmcv.transforms.utils import cache_random_params
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.dataset import worker_init_fn
from torch.utils.data import DataLoader, Dataset

from helpers.properties import CONFIGS, load, raw_sample
from mmdet_centernet.functional.affine import image_matrix, map_boxes
from mmdet_centernet.transforms import CenterAffine, RandomCenterAffine
from mmdet_centernet.transforms.center_affine import View

SIZE = (128, 96)
BOXES = [[10.0, 20, 50, 60], [100, 40, 140, 90], [150, 5, 155, 15]]
VIEWS = [
    View((80, 50), 128.0, False),
    View((80, 50), 192.0, True),
    View((30, 70), 64.0, True),
]


def sample(boxes=BOXES, shape=(100, 160), box_type=HorizontalBoxes):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    return dict(
        img=image,
        img_shape=shape,
        ori_shape=shape,
        img_path='photo.jpg',
        gt_bboxes=box_type(np.array(boxes, dtype=np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.arange(len(boxes)) % 2 == 1,
    )


def build(*steps):
    return Compose([TRANSFORMS.build(step) for step in steps])


def boxes_back(results):
    """Boxes of a sample in pixels of the original image."""
    matrix = torch.tensor(image_matrix(results))
    return map_boxes(results['gt_bboxes'].tensor[None], matrix[None])[0]


def spot(point, shape=(100, 160)):
    """A black image with a soft spot."""
    xs, ys = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    heights = np.exp(-((xs - point[0]) ** 2 + (ys - point[1]) ** 2) / 18)
    return np.dstack([heights.astype(np.float32) * 255] * 3)


def middle(image):
    """Center of mass of an image."""
    mass = image[..., 0].astype(np.float64)
    ys, xs = np.indices(mass.shape)
    return np.array([(xs * mass).sum(), (ys * mass).sum()]) / mass.sum()


@pytest.mark.parametrize('view', VIEWS)
def test_homography_tells_where_pixels_go_to(view):
    point = np.array([view.center[0] + 5, view.center[1] - 4])
    results = RandomCenterAffine(SIZE).show(dict(img=spot(point)), view)
    expected = (results['homography_matrix'] @ [*point, 1])[:2]
    np.testing.assert_allclose(middle(results['img']), expected, atol=0.1)


@pytest.mark.parametrize('kwargs', [dict(pad=31), dict(size=SIZE), dict(pad=127)])
@pytest.mark.parametrize('scale', [0.5, 1.0, 1.5])
def test_homography_of_the_test_view_within_half_a_pixel_of_resizing(kwargs, scale):
    results = CenterAffine(**kwargs, scale=scale)(dict(img=spot((70, 50))))
    expected = (results['homography_matrix'] @ [70, 50, 1])[:2]
    # cv2.resize aligns borders of pixels, the official way back their middles.
    np.testing.assert_allclose(middle(results['img']), expected, atol=0.6)


@pytest.mark.parametrize('view', VIEWS)
def test_boxes_are_mapped_clipped_and_those_outside_removed(view):
    results = RandomCenterAffine(SIZE).show(sample(), view)
    matrix = torch.tensor(results['homography_matrix']).double()
    moved = map_boxes(torch.tensor([BOXES]), matrix[None])[0]
    limits = torch.tensor([*SIZE, *SIZE])
    clipped = moved.clamp(min=0).minimum(limits)
    shown = (clipped[:, 2:] > clipped[:, :2]).all(1)
    torch.testing.assert_close(
        results['gt_bboxes'].tensor, clipped[shown].float(), rtol=0, atol=1e-3
    )
    kept = np.flatnonzero(shown)
    assert results['gt_bboxes_labels'].tolist() == kept.tolist()
    assert results['gt_ignore_flags'].tolist() == (kept % 2 == 1).tolist()


def test_a_box_whose_center_is_cut_off_stays():
    results = RandomCenterAffine((64, 64)).show(
        sample([[10, 10, 60, 60]]), View((84, 32), 64.0, False)
    )
    assert results['gt_bboxes'].tensor.tolist() == [[0.0, 10.0, 8.0, 60.0]]


def test_boxes_without_area_stay_for_the_assigner_to_name():
    results = CenterAffine(pad=31)(sample([[20, 20, 20, 40]]))
    assert len(results['gt_bboxes']) == 1


@pytest.mark.parametrize('view', VIEWS)
def test_samples_without_boxes_stay(view):
    results = RandomCenterAffine(SIZE).show(sample([]), view)
    assert results['gt_bboxes'].tensor.shape == (0, 4)
    assert results['img'].shape == (96, 128, 3)


def test_samples_without_annotations_are_shown_too():
    results = CenterAffine(size=SIZE)(dict(img=np.zeros((30, 50, 3), np.uint8)))
    assert results['img_shape'] == (96, 128)
    assert 'gt_bboxes' not in results


def test_boxes_as_arrays_are_taken_and_given_back():
    results = CenterAffine(pad=31)(sample(box_type=np.asarray))
    expected = CenterAffine(pad=31)(sample())
    assert isinstance(results['gt_bboxes'], np.ndarray)
    assert np.array_equal(results['gt_bboxes'], expected['gt_bboxes'].tensor.numpy())


def test_boxes_that_were_given_are_left_alone():
    given = sample()
    boxes = given['gt_bboxes']
    RandomCenterAffine(SIZE)(given)
    assert boxes.tensor.tolist() == BOXES


def rectangles_as(kind):
    polygons = [
        [np.array([x1, y1, x2, y1, x2, y2, x1, y2])] for x1, y1, x2, y2 in BOXES
    ]
    masks = PolygonMasks(polygons, 100, 160)
    return masks if kind == 'polygon' else BitmapMasks(masks.to_ndarray(), 100, 160)


@pytest.mark.parametrize('kind', ['polygon', 'bitmap'])
@pytest.mark.parametrize('view', VIEWS)
def test_masks_and_segmentation_stay_on_their_boxes(kind, view):
    given = sample()
    given['gt_masks'] = rectangles_as(kind)
    given['gt_seg_map'] = rectangles_as('bitmap').masks.max(0).astype(np.uint8)
    results = RandomCenterAffine(SIZE).show(given, view)
    boxes, masks = results['gt_bboxes'], results['gt_masks']
    assert len(masks) == len(boxes)
    assert (masks.height, masks.width) == (96, 128)
    expected = boxes.create_masks((96, 128)).masks.astype(bool)
    painted = masks.to_ndarray().astype(bool)
    shared, either = (painted & expected).sum(), (painted | expected).sum()
    # The official flip moves boxes, but not pixels, one pixel to the left.
    assert shared > 0.85 * either
    labels = results['gt_seg_map']
    inside = expected.any(0)
    assert (labels[inside] == 1).mean() > 0.9
    assert (labels[~inside] == 1).mean() < 0.1
    ys, xs = np.indices(labels.shape)
    seen = image_matrix(results) @ [xs.ravel(), ys.ravel(), np.ones(xs.size)]
    outside = (seen[0] < -1) | (seen[0] > 160) | (seen[1] < -1) | (seen[1] > 100)
    assert (labels.ravel()[outside] == 255).all()


def test_no_masks_are_still_masks():
    given = sample([])
    given['gt_masks'] = BitmapMasks(np.zeros((0, 100, 160), np.uint8), 100, 160)
    assert CenterAffine(pad=31)(given)['gt_masks'].masks.shape == (0, 128, 192)


@pytest.mark.parametrize(
    'steps',
    [
        [dict(type='CenterAffine', pad=31)],
        [dict(type='CenterAffine', pad=127, scale=0.75)],
        [dict(type='CenterAffine', size=(300, 200))],
        [
            dict(type='Resize', scale=(320, 320), keep_ratio=True),
            dict(type='RandomFlip', prob=1.0),
            dict(type='CenterAffine', size=(256, 256)),
        ],
        [
            dict(type='RandomCenterAffine', size=(320, 320), ratios=[2.0], flip_prob=1),
            dict(type='RandomFlip', prob=1.0, direction='diagonal'),
        ],
    ],
)
def test_boxes_return_through_the_recorded_geometry(steps):
    results = build(*steps)(sample())
    torch.testing.assert_close(
        boxes_back(results), torch.tensor(BOXES).double(), rtol=0, atol=1e-3
    )


def test_a_flip_is_reported_as_mmdet_reports_it():
    flipped = RandomCenterAffine(SIZE, flip_prob=1.0)(sample())
    straight = RandomCenterAffine(SIZE, flip_prob=0.0)(sample())
    assert (flipped['flip'], flipped['flip_direction']) == (True, 'horizontal')
    assert (straight['flip'], straight['flip_direction']) == (False, None)


def test_flipped_views_have_the_pixels_of_straight_ones_reversed():
    window = View((79.5, 50), 128.0, False)  # the middle of 160 columns
    straight = RandomCenterAffine((128, 96)).show(sample(), window)
    flipped = RandomCenterAffine((128, 96)).show(sample(), window._replace(flip=True))
    # Middle column 79.5 comes to column 64: one more on the left than on the right.
    assert np.array_equal(flipped['img'][:, 1:], straight['img'][:, :0:-1])


def test_windows_follow_the_official_rule():
    np.random.seed(0)
    transform = RandomCenterAffine((512, 512))
    views = [transform._draw(300, 640) for _ in range(2000)]
    xs, ys = np.transpose([view.center for view in views])
    assert (xs.min(), xs.max()) == (128, 511)
    assert (ys.min(), ys.max()) == (128, 171)
    sides = {round(view.side / 640, 6) for view in views}
    assert sides == {0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3}
    assert 0.45 < np.mean([view.flip for view in views]) < 0.55


def test_rotations_are_normal_and_cut():
    np.random.seed(0)
    transform = RandomCenterAffine(SIZE, rotation_prob=0.6, max_rotation=40.0)
    angles = np.array([transform._draw(300, 640).angle for _ in range(4000)])
    turned = angles[angles != 0]
    assert 0.57 < len(turned) / 4000 < 0.63
    assert abs(turned.mean()) < 1.5
    assert (turned.min(), turned.max()) == (-40, 40)
    within = (abs(turned) < 20).mean()  # one standard deviation
    assert 0.65 < within < 0.71


def test_without_rotation_the_same_views_are_drawn_as_before():
    def draw(**options):
        np.random.seed(3)
        transform = RandomCenterAffine(SIZE, **options)
        view = transform._draw(300, 640)
        return view, np.random.random()

    view, following = draw()
    np.random.seed(3)
    side = 640 * np.random.choice(RandomCenterAffine(SIZE).ratios)
    center = np.random.randint(128, 512), np.random.randint(128, 172)
    flip = np.random.random() < 0.5
    assert view == View(center, side, flip)
    assert following == np.random.random()
    assert draw(rotation_prob=0.5, max_rotation=30.0)[1] != following


TURNED = View((70, 60), 140.0, False, 25.0)


@pytest.mark.parametrize('flip', [False, True])
def test_a_rotated_view_turns_pixels_and_points_but_no_boxes(flip):
    view = TURNED._replace(flip=flip)
    transform = RandomCenterAffine(SIZE)
    results = transform.show(load_points(), view)
    upright = transform.show(load_points(), view._replace(angle=0.0))
    assert results['rotated']
    assert 'rotated' not in upright
    boxes = results['gt_bboxes']
    assert torch.equal(boxes.tensor, upright['gt_bboxes'].tensor)
    whole = results['homography_matrix'].astype(float)
    points = boxes.values['keypoints'].numpy()
    sent = points_of_objects() @ whole[:2, :2].T + whole[:2, 2]
    sent = sent[:, [0, 2, 1]] if flip else sent
    np.testing.assert_allclose(points[:2], sent[:2], atol=1e-3)
    spotted = transform.show(dict(img=spot((75, 52))), view)
    expected = (spotted['homography_matrix'] @ [75, 52, 1])[:2]
    np.testing.assert_allclose(middle(spotted['img']), expected, atol=0.1)
    np.testing.assert_array_equal(spotted['homography_matrix'], whole)


def load_points():
    return load(boxes=BOXES, configs=dict(joints=CONFIGS['joints']))


def points_of_objects():
    return np.array(
        [one['properties']['keypoints'] for one in raw_sample(BOXES)['instances']]
    )


def test_ignored_regions_enclose_what_is_turned():
    given = load_points()
    given['gt_ignore_flags'] = np.array([True, False, False])
    results = RandomCenterAffine(SIZE).show(given, TURNED)
    corners = torch.tensor([[10.0, 20], [50, 20], [50, 60], [10, 60]]).double()
    matrix = torch.tensor(results['homography_matrix']).double()
    corners = corners @ matrix[:2, :2].T + matrix[:2, 2]
    expected = torch.cat([corners.min(0).values, corners.max(0).values]).clamp(min=0)
    region = results['gt_bboxes'].tensor[0].double()
    torch.testing.assert_close(region, expected, rtol=0, atol=1e-3)


def test_boxes_without_keypoints_are_not_rotated():
    with pytest.raises(ValueError, match=r'photo.jpg was to be rotated.* Rotate'):
        RandomCenterAffine(SIZE).show(sample(), TURNED)
    transform = RandomCenterAffine(SIZE, rotation_prob=1.0, max_rotation=60.0)
    shown = transform(dict(img=np.zeros((30, 50, 3), np.uint8)))
    assert shown['img'].shape == (96, 128, 3)


def test_rotations_follow_the_boxes_into_meta_information():
    pack = dict(type='PackPropertyInputs')
    view = dict(type='RandomCenterAffine', size=SIZE, border=8)
    for options in ({}, dict(rotation_prob=1.0, max_rotation=60.0)):
        packed = build({**view, **options}, pack)(load_points())
        assert packed['data_samples'].rotated == bool(options)


def test_shared_randomness_shows_two_images_alike():
    transform = RandomCenterAffine(SIZE)
    with cache_random_params(transform):
        first, second = transform(sample()), transform(sample([]))
    assert np.array_equal(first['img'], second['img'])


class Samples(Dataset):
    """What a worker makes of eight equal samples."""

    def __init__(self):
        self.pipeline = build(
            dict(type='RandomCenterAffine', size=SIZE),
            dict(type='CenterNetColorJitter'),
        )

    def __len__(self):
        return 8

    def __getitem__(self, _):
        return self.pipeline(sample())['img']


def load_with_workers(seed):
    loader = DataLoader(
        Samples(),
        num_workers=2,
        worker_init_fn=lambda worker: worker_init_fn(worker, 2, 0, seed),
    )
    return torch.cat(list(loader))


def test_worker_seeds_decide_and_workers_differ():
    first, again, other = map(load_with_workers, (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(torch.unique(first.flatten(1), dim=0)) == len(first)


def test_works_on_mosaics():
    given = sample()
    given['mix_results'] = [sample() for _ in range(3)]
    results = build(
        dict(type='Mosaic', img_scale=(160, 100)),
        dict(type='RandomCenterAffine', size=SIZE),
        dict(type='CenterNetColorJitter'),
        dict(type='PackDetInputs', meta_keys=('img_shape', 'homography_matrix')),
    )(given)
    assert results['inputs'].shape == (3, 96, 128)
    assert results['data_samples'].img_shape == (96, 128)
    assert results['data_samples'].homography_matrix.dtype == np.float32


def test_float_images_are_warped_like_bytes_but_for_rounding():
    exact = sample()
    exact['img'] = exact['img'].astype(np.float32)
    rounded = RandomCenterAffine(SIZE).show(sample(), VIEWS[1])['img']
    warped = RandomCenterAffine(SIZE).show(exact, VIEWS[1])['img']
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warped, rounded, rtol=0, atol=8)


def test_tiny_images_survive_every_view():
    tiny = np.full((1, 1, 3), 200, np.uint8)
    assert CenterAffine(pad=31, scale=0.5)(dict(img=tiny))['img'].max() == 200
    assert RandomCenterAffine(SIZE)(dict(img=tiny))['img'].shape == (96, 128, 3)


@pytest.mark.parametrize(
    ('transform', 'kwargs', 'advice'),
    [
        (CenterAffine, {}, 'either pad=31'),
        (CenterAffine, dict(pad=31, size=(512, 512)), 'either pad=31'),
        (CenterAffine, dict(pad=32), r'2\^n - 1'),
        (CenterAffine, dict(pad=31, scale=0), 'above 0'),
        (CenterAffine, dict(size=(512, 0)), r'\(width, height\)'),
        (RandomCenterAffine, dict(size=(512,)), r'\(width, height\)'),
        (RandomCenterAffine, dict(size=SIZE, ratios=[]), 'at least one'),
        (RandomCenterAffine, dict(size=SIZE, ratios=[0.5, 0]), 'all positive'),
        (RandomCenterAffine, dict(size=SIZE, border=-1), 'negative'),
        (RandomCenterAffine, dict(size=SIZE, flip_prob=1.5), 'between 0 and 1'),
        (RandomCenterAffine, dict(size=SIZE, rotation_prob=-1), 'between 0 and 1'),
        (RandomCenterAffine, dict(size=SIZE, rotation_prob=0.5), 'give both'),
        (RandomCenterAffine, dict(size=SIZE, max_rotation=30.0), 'give both'),
    ],
)
def test_bad_arguments_say_what_to_do(transform, kwargs, advice):
    with pytest.raises(ValueError, match=advice):
        transform(**kwargs)
