"""Objects with properties, and the input of a pipeline."""

import math

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS

CONFIGS = dict(
    angle=dict(type='AngleProperty', key='angles'),
    line=dict(type='AngleProperty', key='lines', period=180),
    motion=dict(type='VectorProperty', key='motions', is_displacement=True),
    joints=dict(
        type='KeypointsProperty', key='keypoints', num_points=3, flip_pairs=[(1, 2)]
    ),
    length=dict(type='ScalarProperty', key='lengths', is_length=True),
    age=dict(type='ScalarProperty', key='ages'),
)
BOXES = [[20.0, 30, 60, 70], [90, 20, 130, 80], [70, 70, 86, 95]]
SHAPE = (100, 160)


def values_of(box, random):
    """Properties of an object whose first joint is the middle of its box."""
    x1, y1, x2, y2 = box
    joints = [[(x1 + x2) / 2, (y1 + y2) / 2], [x1, y1], [x2, y1]]
    return dict(
        angles=np.float32(random.uniform(0, 360)),
        lines=np.float32(random.uniform(0, 180)),
        motions=random.uniform(-20, 20, 2).astype(np.float32),
        keypoints=np.array(joints, np.float32),
        lengths=np.float32(x2 - x1),
        ages=np.float32(random.uniform(1, 90)),
    )


def raw_sample(boxes=BOXES, shape=SHAPE, seed=0):
    """The input of a pipeline, with the image loaded."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (*shape, 3)).astype(np.uint8)
    return dict(
        img=image,
        img_id=1,
        img_shape=shape,
        ori_shape=shape,
        img_path='photo.jpg',
        height=shape[0],
        width=shape[1],
        instances=[
            dict(
                bbox=list(box),
                bbox_label=number,
                ignore_flag=0,
                properties=values_of(box, random),
            )
            for number, box in enumerate(boxes)
        ],
    )


def load(configs=CONFIGS, **sample):
    """A sample behind LoadAnnotations and LoadProperties."""
    steps = (
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='LoadProperties', properties=configs),
    )
    return compose(*steps)(raw_sample(**sample))


def compose(*steps):
    return Compose([TRANSFORMS.build(dict(step)) for step in steps])


def assert_moved(before, after, send):
    """Properties of `CONFIGS`, as `send` moves points; flips change the last joints."""
    start, right, down = (np.asarray(send(p)) for p in ((0, 0), (1, 0), (0, 1)))
    area = np.linalg.det([right - start, down - start])
    before, after = (
        {key: value.numpy() for key, value in values.items()}
        for values in (before, after)
    )
    for row in range(len(before['ages'])):
        points = np.array([send(p) for p in before['keypoints'][row].tolist()])
        points = points[[0, 2, 1]] if area < 0 else points
        np.testing.assert_allclose(after['keypoints'][row], points, atol=2e-4)
        displacement = send(before['motions'][row].tolist()) - start
        np.testing.assert_allclose(after['motions'][row], displacement, atol=2e-4)
        length = before['lengths'][row] * math.sqrt(abs(area))
        assert after['lengths'][row] == pytest.approx(length, rel=1e-5)
        assert after['ages'][row] == before['ages'][row]
        for key, period in (('angles', 360), ('lines', 180)):
            angle = math.radians(before[key][row])
            x, y = send((math.cos(angle), math.sin(angle))) - start
            turned = math.degrees(math.atan2(y, x)) - float(after[key][row])
            # Remainder of the difference, as near to 0 as can be.
            assert math.remainder(turned, period) == pytest.approx(0, abs=1e-2)
