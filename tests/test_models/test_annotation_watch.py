import warnings

import pytest
import torch

from mmdet_centernet.codecs import CenterNetTargetAssigner
from mmdet_centernet.models import annotation_watch
from mmdet_centernet.models.annotation_watch import AnnotationWatch

GOOD, EMPTY = [8.0, 8, 24, 24], [5.0, 5, 5, 9]


def targets(*images, label=0):
    boxes = [torch.tensor(boxes).view(-1, 4) for boxes in images]
    labels = [torch.full((len(one),), label) for one in boxes]
    shape = (len(boxes), 3, 8, 8)
    return CenterNetTargetAssigner().assign(boxes, labels, shape, stride=4)


def test_every_image_is_named_once_and_boxes_are_counted():
    watch = AnnotationWatch()
    batch = targets([GOOD, EMPTY], [GOOD], [EMPTY, EMPTY])
    with pytest.warns(UserWarning) as warned:
        watch.check(batch, ['a.jpg', 'b.jpg', 'c.jpg'])
    assert [str(w.message).split(' are')[0] for w in warned] == [
        '1 boxes of a.jpg',
        '2 boxes of c.jpg',
    ]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        watch.check(batch, ['a.jpg', 'b.jpg', 'c.jpg'])
    assert watch.num_dropped == 6
    assert '(3 so far). Correct or remove them in the annotation' in str(
        warned[1].message
    )


def test_unknown_labels_are_refused():
    remedy = "num_classes of the head .*, and metainfo .* the annotation file's classes"
    with pytest.raises(
        ValueError, match=rf'1 labels of b\.jpg lie outside \[0, 3\): set {remedy}'
    ):
        AnnotationWatch().check(targets([], [GOOD], label=3), ['a.jpg', 'b.jpg'])


def test_a_device_is_not_waited_for(monkeypatch):
    """Counts that are still being copied are reported with a later batch."""
    arrived = []
    monkeypatch.setattr(
        annotation_watch, 'fetch', lambda counts: (counts, lambda: bool(arrived))
    )
    watch = AnnotationWatch()
    watch.check(targets([EMPTY]), ['a.jpg'])
    watch.check(targets([GOOD], label=7), ['b.jpg'])
    assert watch.num_dropped == 0
    arrived.append(True)
    with (
        pytest.warns(UserWarning, match=r'a\.jpg'),
        pytest.raises(ValueError, match=r'b\.jpg'),
    ):
        watch.check(targets([GOOD]), ['c.jpg'])
