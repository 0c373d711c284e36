"""A small head, and what goes into it."""

import torch
from mmengine.structures import InstanceData

from mmdet_centernet.models import CTDetHead

META = dict(
    img_path='photo.jpg',
    img_shape=(128, 128),
    batch_input_shape=(128, 128),
    ori_shape=(128, 128),
)


def make_head(num_classes=3, **kwargs):
    torch.manual_seed(0)
    head = CTDetHead(8, 8, num_classes, **kwargs)
    head.init_weights()
    return head


def instances(boxes, labels=None):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).view(-1, 4)
    labels = torch.zeros(len(boxes)) if labels is None else torch.as_tensor(labels)
    return InstanceData(bboxes=boxes, labels=labels.long())


def random_maps(head, batch=1, size=32):
    channels = (head.num_classes, 2, 2)
    return [
        [torch.randn(batch, c, size, size) for _ in range(head.num_stacks)]
        for c in channels
    ]


def loss(head, maps, gt, metas=None, ignored=None):
    return head.loss_by_feat(*maps, gt, metas or [META] * len(gt), ignored)


def perfect_maps(head, boxes, labels, feat_shape, input_shape):
    """Maps that equal their targets."""
    shape = (len(boxes), head.num_classes, *feat_shape)
    targets, _ = head.get_targets(boxes, labels, shape, input_shape)
    heat = targets['center_heatmap_target'].logit(eps=1e-6)
    return [heat], [targets['wh_target']], [targets['offset_target']]
