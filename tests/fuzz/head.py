"""The whole head on batches with invalid boxes."""

from __future__ import annotations

from random import Random

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from fuzz import draws
from fuzz.oracles import is_usable
from fuzz.outcome import RIGHT
from mmdet_centernet.models import CTDetHead

STRIDE = 4
CHANNELS = 4


def head_loss(draw: Random) -> str:
    """Losses and gradients equal those without the invalid boxes."""
    torch.manual_seed(draw.getrandbits(32))
    cells = draw.randint(1, 12), draw.randint(1, 12)
    boxes = [draws.boxes(draw, *(STRIDE * n for n in cells)) for _ in range(2)]
    labels = [draws.labels(draw, len(one), 3) for one in boxes]
    valid = [usable(one, cells) for one in boxes]
    settings = draw.choice([{}, dict(loss_bbox=dict(type='GIoULoss'), wh_unit=16.0)])
    head = CTDetHead(CHANNELS, CHANNELS, 3, **settings)
    features = torch.randn(2, CHANNELS, cells[1], cells[0])
    first, gradients = step(head, features, boxes, labels)
    second, other_gradients = step(
        head,
        features,
        [one[kept] for one, kept in zip(boxes, valid, strict=True)],
        [one[kept] for one, kept in zip(labels, valid, strict=True)],
    )
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(gradients, other_gradients)
    assert all(value.isfinite() for value in first.values())
    assert gradients.isfinite().all()
    return RIGHT


def usable(boxes: Tensor, cells: tuple[int, int]) -> Tensor:
    """Returns a mask (n,) of the boxes with an area on the map."""
    known = [is_usable(box.numpy() / STRIDE, cells) for box in boxes]
    return torch.tensor(known, dtype=torch.bool)


def step(
    head: CTDetHead, features: Tensor, boxes: list[Tensor], labels: list[Tensor]
) -> tuple[dict[str, Tensor], Tensor]:
    """Returns the losses and the gradient of their sum by the features."""
    features = features.clone().requires_grad_()
    objects = [
        InstanceData(bboxes=box, labels=label)
        for box, label in zip(boxes, labels, strict=True)
    ]
    height, width = (STRIDE * n for n in features.shape[-2:])
    meta = dict(img_shape=(height, width), batch_input_shape=(height, width))
    losses = head.loss_by_feat(*head([features]), objects, [meta] * len(objects))
    sum(losses.values()).backward()
    assert features.grad is not None
    return {name: value.detach() for name, value in losses.items()}, features.grad
