"""Losses and decoding of both heads on the same maps and objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmdet_centernet.models import CTDetHead

import numpy as np
import torch
from mmdet.models.dense_heads import CenterNetHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

STRIDE = 4
MARGIN = 2  # pixels between an object and the border
SMALLEST, LARGEST = 4, 120  # half sides of objects in pixels
TEST_CFG = dict(topk=100, local_maximum_kernel=3, max_per_img=100)
# Arbitrary: the branches of the heads are not run.
CHANNELS = dict(in_channels=8, feat_channels=8)


@dataclass(frozen=True)
class Workload:
    """Size and type of the input of the heads.

    Attributes:
        images: B.
        classes: C.
        cells: H and W of the maps.
        objects: Objects of the batch.
        device: Device of the tensors.
        dtype: Of the maps.
        largest: Half side of the largest object in pixels.
    """

    images: int = 16
    classes: int = 80
    cells: int = 128
    objects: int = 118
    device: str = 'cpu'
    dtype: torch.dtype = torch.float32
    largest: int = LARGEST

    @property
    def logit_bytes(self) -> int:
        """Returns the bytes of the heatmap's logits."""
        count = self.images * self.classes * self.cells**2
        return count * torch.finfo(self.dtype).bits // 8


@dataclass
class Batch:
    """Outputs of a network and the ground gt of its images."""

    logits: Tensor
    wh: Tensor
    offset: Tensor
    gt: list[InstanceData]
    metas: list[dict]


def draw_batch(load: Workload, seed: int = 0) -> Batch:
    """Draws random maps, mostly background, and random boxes."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    side = load.cells * STRIDE
    shares = np.array_split(np.arange(load.objects), load.images)
    gt = [_draw_objects(len(share), side, load, rng) for share in shares]
    place = dict(device=load.device, dtype=load.dtype)
    shape = load.images, load.classes, load.cells, load.cells
    sizes = load.images, 2, load.cells, load.cells
    meta = dict(
        img_shape=(side, side),
        batch_input_shape=(side, side),
        pad_shape=(side, side),
        border=(0, 0, 0, 0),
    )
    return Batch(
        logits=(torch.randn(shape, **place) * 1.5 - 4).requires_grad_(),
        wh=(torch.rand(sizes, **place) * 20).requires_grad_(),
        offset=torch.rand(sizes, **place).requires_grad_(),
        gt=gt,
        metas=[meta] * load.images,
    )


def _draw_objects(
    count: int, side: int, load: Workload, rng: np.random.Generator
) -> InstanceData:
    """Draws boxes inside the image, and their classes."""
    center = rng.uniform(2 * SMALLEST, side - 2 * SMALLEST, (count, 2))
    room = np.minimum(center, side - center) - MARGIN
    half = np.minimum(rng.uniform(SMALLEST, load.largest, (count, 2)), room)
    boxes = np.concatenate([center - half, center + half], axis=1)
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32, device=load.device),
        labels=torch.tensor(rng.integers(load.classes, size=count), device=load.device),
    )


def build_heads(load: Workload) -> tuple[CTDetHead, CenterNetHead]:
    """Builds our head and stock's, with the same targets."""
    ours = MODELS.build(
        dict(
            type='CTDetHead',
            num_classes=load.classes,
            train_cfg=dict(
                assigner=dict(type='CenterNetTargetAssigner', radius_rule='mmdet')
            ),
            test_cfg=ConfigDict(TEST_CFG),
            **CHANNELS,
        )
    )
    stock = CenterNetHead(
        num_classes=load.classes, test_cfg=ConfigDict(TEST_CFG), **CHANNELS
    )
    return ours, stock


def loss_runs(load: Workload) -> dict[str, Callable[[], object]]:
    """Returns steps of targets and losses; the floor copies the logits."""
    batch = draw_batch(load)
    ours, stock = build_heads(load)
    return dict(
        ours=lambda: _learn(ours, batch, batch.logits),
        stock=lambda: _learn(stock, batch, batch.logits.sigmoid()),
        floor=batch.logits.detach().clone,
    )


def _learn(head: CTDetHead | CenterNetHead, batch: Batch, heatmap: Tensor) -> None:
    losses = head.loss_by_feat(
        [heatmap], [batch.wh], [batch.offset], batch.gt, batch.metas
    )
    sum(losses.values()).backward()
    for maps in (batch.logits, batch.wh, batch.offset):
        maps.grad = None


def decode_runs(load: Workload) -> dict[str, Callable[[], object]]:
    """Returns decodings of 100 boxes per image."""
    batch = draw_batch(load)
    ours, stock = build_heads(load)
    return dict(
        ours=lambda: _predict(ours, batch, batch.logits),
        stock=lambda: _predict(stock, batch, batch.logits.sigmoid()),
    )


@torch.no_grad()
def _predict(
    head: CTDetHead | CenterNetHead, batch: Batch, heatmap: Tensor
) -> list[InstanceData]:
    return head.predict_by_feat(
        [heatmap], [batch.wh], [batch.offset], batch.metas, rescale=False
    )
