"""Views of images, networks to run on them, and what is found."""

import numpy as np
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope

from mmdet_centernet.models import CTDetHead


class Canned(SingleStageDetector):
    """A network that returns given maps for each image.

    The first pixel of an image is the number of its maps, the last pixel of the first
    row the number of the maps of the flipped image.
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
    """A view of some images for `Canned`: numbers of their maps, plain and flipped."""
    inputs, samples = [], []
    for number, flipped in numbers:
        image = torch.zeros(3, *size)
        image[0, 0, 0], image[0, 0, -1] = number, flipped
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


def by_score(rows):
    return rows[np.lexsort((rows[:, 0], -rows[:, 4]))]


def assert_same(found, expected, atol=1e-5):
    assert len(found) == len(expected)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.bboxes, expected.bboxes, rtol=0, atol=atol)
    assert torch.equal(found.labels, expected.labels)


def golden_maps(seed, shape, wh_factor=1):
    generator = np.random.Generator(np.random.PCG64(int(seed)))
    batch, _, *size = shape
    logits = generator.normal(-2, 1.5, shape)
    sizes = generator.uniform(1, 20, (batch, 2, *size)).astype(np.float32) * wh_factor
    offsets = generator.uniform(0, 1, (batch, 2, *size))
    return [torch.tensor(m, dtype=torch.float32) for m in (logits, sizes, offsets)]
