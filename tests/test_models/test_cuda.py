"""On a GPU: waited for once a batch, in every precision, compiled or not."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmdet_centernet.functional.focal_sum import gaussian_focal_loss_sparse
from mmdet_centernet.models import CTDetHead

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a CUDA device'
)
METAS = [dict(img_shape=(128, 128), batch_input_shape=(128, 128))] * 2
PRECISIONS = [None, torch.float16, torch.bfloat16]


@pytest.fixture
def no_waiting(monkeypatch):
    """Whatever waits for the GPU is an error, but the one count of a batch."""

    def read_back(counts):
        torch.cuda.set_sync_debug_mode('default')
        numbers = [int(count) for count in counts]
        torch.cuda.set_sync_debug_mode('error')
        return numbers

    monkeypatch.setattr('mmdet_centernet.codecs.targets.read_back', read_back)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    yield
    torch.cuda.set_sync_debug_mode('default')


def drawn_objects(count):
    corners = torch.rand(count, 2) * 80
    boxes = torch.cat([corners, corners + 8 + torch.rand(count, 2) * 30], dim=1)
    return InstanceData(bboxes=boxes.cuda(), labels=torch.randint(3, (count,)).cuda())


def autocast(precision):
    return torch.autocast('cuda', precision, enabled=precision is not None)


@pytest.mark.parametrize('precision', PRECISIONS)
@pytest.mark.parametrize('options', [{}, dict(loss_bbox=dict(type='GIoULoss'))])
def test_training_waits_for_one_count_and_decoding_never(precision, options, request):
    torch.manual_seed(0)
    head = CTDetHead(8, 8, 3, **options).cuda()
    feats = [torch.randn(2, 8, 32, 32, device='cuda')]
    gt = [drawn_objects(5), drawn_objects(0)]
    request.getfixturevalue('no_waiting')
    with autocast(precision):
        losses = head.loss_by_feat(*head(feats), gt, METAS)
        torch.stack(list(losses.values())).sum().backward()
        with torch.no_grad():
            found = head.predict_by_feat(*head(feats), METAS)
    torch.cuda.set_sync_debug_mode('default')
    assert all(p.grad.isfinite().all() for p in head.parameters())
    assert [len(one) for one in found] == [100, 100]


@pytest.mark.parametrize('precision', PRECISIONS)
def test_losses_and_boxes_are_those_of_the_cpu(precision):
    torch.manual_seed(0)
    head = CTDetHead(8, 8, 3)
    maps = [
        [m.to(precision or m.dtype)]
        for m in torch.randn(2, 7, 32, 32).split((3, 2, 2), dim=1)
    ]
    on_gpu = [[m.cuda() for m in one] for one in maps]
    gt = [drawn_objects(5), drawn_objects(2)]
    losses = head.cuda().loss_by_feat(*on_gpu, gt, METAS)
    found = head.predict_by_feat(*on_gpu, METAS)
    expected = head.cpu().loss_by_feat(*maps, [one.cpu() for one in gt], METAS)
    boxes = head.predict_by_feat(*maps, METAS)
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name].cpu(), loss, rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(found, boxes, strict=True):
        torch.testing.assert_close(mine.scores.cpu(), theirs.scores)
        # Equal scores may come in any order; their sum does not mind.
        torch.testing.assert_close(
            mine.bboxes.cpu().sum(0), theirs.bboxes.sum(0), rtol=1e-3, atol=1e-2
        )


def test_compiled_loss_is_the_eager_one():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 32, 32, device='cuda', requires_grad=True)
    cells = torch.randint(logits.numel(), (500,), device='cuda')
    heat = torch.rand(500, device='cuda')
    gradients = []
    for loss in (
        gaussian_focal_loss_sparse,
        torch.compile(gaussian_focal_loss_sparse, fullgraph=True),
    ):
        loss(logits, cells, heat).backward()
        gradients.append(logits.grad)
        logits.grad = None
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
