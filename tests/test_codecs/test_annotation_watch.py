import warnings

import pytest
import torch

from mmdet_centernet.codecs import CenterNetTargetAssigner, annotation_watch
from mmdet_centernet.codecs.annotation_watch import (
    AnnotationWatch,
    check_annotations,
)

GOOD, EMPTY = [8.0, 8, 24, 24], [5.0, 5, 5, 9]


def targets(*images, label=0):
    boxes = [torch.tensor(boxes).view(-1, 4) for boxes in images]
    labels = [torch.full((len(one),), label) for one in boxes]
    shape = (len(boxes), 3, 8, 8)
    return CenterNetTargetAssigner().assign(boxes, labels, shape, stride=4)


def test_every_image_is_named_once_and_boxes_are_counted():
    watch = AnnotationWatch()
    batch = targets([GOOD, EMPTY], [GOOD], [EMPTY, EMPTY])
    with pytest.warns(UserWarning) as said:
        watch.look(batch, ['a.jpg', 'b.jpg', 'c.jpg'])
    assert [str(w.message).split(' are')[0] for w in said] == [
        '1 boxes of a.jpg',
        '2 boxes of c.jpg',
    ]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        watch.look(batch, ['a.jpg', 'b.jpg', 'c.jpg'])
    assert watch.num_dropped == 6
    assert '(3 so far). Correct or remove them in the annotation' in str(
        said[1].message
    )


def test_unknown_labels_are_refused():
    remedy = "num_classes of the head .*, and metainfo .* the annotation file's classes"
    with pytest.raises(
        ValueError, match=rf'1 labels of b\.jpg lie outside \[0, 3\): set {remedy}'
    ):
        AnnotationWatch().look(targets([], [GOOD], label=3), ['a.jpg', 'b.jpg'])


def test_a_device_is_not_waited_for(monkeypatch):
    """Counts that are still on their way are told when a later batch comes."""
    arrived = []
    monkeypatch.setattr(
        annotation_watch, 'fetch', lambda counts: (counts, lambda: bool(arrived))
    )
    watch = AnnotationWatch()
    watch.look(targets([EMPTY]), ['a.jpg'])
    watch.look(targets([GOOD], label=7), ['b.jpg'])
    assert watch.num_dropped == 0
    arrived.append(True)
    with (
        pytest.warns(UserWarning, match=r'a\.jpg'),
        pytest.raises(ValueError, match=r'b\.jpg'),
    ):
        watch.look(targets([GOOD]), ['c.jpg'])


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
