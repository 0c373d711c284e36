import shutil
import threading

import pytest
import torch
from torch import _dynamo

from helpers.half import AUTOCAST_DTYPES
from mmdet_centernet.functional import focal_sum
from mmdet_centernet.functional.focal import (
    FocalRule,
    gaussian_focal_loss_with_logits,
)
from mmdet_centernet.functional.focal_sum import (
    gaussian_focal_loss_sparse,
    gaussian_focal_loss_sum,
)

SHAPE = (2, 3, 7, 5)
NUMEL = 210
RULES = [
    dict(),
    dict(alpha=0.0, gamma=0.0),
    dict(alpha=0.5, gamma=0.5, pos_weight=1.5, neg_weight=0.7),
    dict(alpha=3.0, gamma=1.0, pos_weight=0.0, neg_weight=2.0),
]
# Around 0, and as low as at the start of a training: a case of its own on a CPU.
MEANS = [0.0, -12.0]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def dense_sum(logits, target, weight=None, **rule):
    return gaussian_focal_loss_sum(logits, target, weight, rule=FocalRule(**rule))


def sparse_sum(logits, index, heat, ignored=None, **rule):
    return gaussian_focal_loss_sparse(
        logits, index, heat, ignored, rule=FocalRule(**rule)
    )


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks that do not divide the map, so that their seams are tested."""
    monkeypatch.setattr(focal_sum, 'TASK', 80)
    monkeypatch.setattr(focal_sum, 'CPU_CHUNK', 32)


def random_logits(dtype=torch.float64, shape=SHAPE, spread=4.0, mean=0.0):
    rng = torch.Generator().manual_seed(1)
    noise = torch.randn(shape, generator=rng, dtype=torch.float64)
    return (noise * spread + mean).to(dtype)


def random_cells(dtype=torch.float64, numel=NUMEL, amount=120):
    """Listed cells with repeats, peaks, and heat 0; and the target they stand for."""
    rng = torch.Generator().manual_seed(2)
    index = torch.randint(numel, (amount,), generator=rng)
    heat = torch.rand(amount, generator=rng).to(dtype)
    heat[heat > 0.8] = 1
    heat[heat < 0.2] = 0
    target = torch.zeros(numel, dtype=dtype)
    for position, value in zip(index.tolist(), heat, strict=True):
        target[position] = max(target[position], value)
    assert len(index.unique()) < amount
    return index, heat, target


def value_and_gradient(total, logits, scale=3.0):
    logits = logits.clone().requires_grad_()
    value = total(logits)
    (value * scale).backward()
    return value.detach(), logits.grad


def assert_same(ours, total, logits):
    """Equal to what ``total`` makes of float64 logits, up to rounding."""
    value, gradient = value_and_gradient(total, logits.double())
    exact = logits.dtype == torch.float64
    assert ours[0].dtype == (torch.float64 if exact else torch.float32)
    assert ours[1].dtype == logits.dtype
    rtol = 1e-12 if exact else 1e-6
    torch.testing.assert_close(ours[0].double(), value, rtol=rtol, atol=0)
    finfo = torch.finfo(logits.dtype)
    torch.testing.assert_close(
        ours[1].double(),
        gradient,
        rtol=rtol if exact else max(finfo.eps, rtol),
        atol=max(finfo.smallest_normal, 1e-30),
    )


@pytest.mark.usefixtures('small_chunks')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('weight_shape', [None, SHAPE, (2, 1, 7, 5), ()])
@pytest.mark.parametrize('mean', MEANS)
def test_sum_equals_cell_by_cell(dtype, rule, weight_shape, mean):
    logits = random_logits(dtype, mean=mean)
    target = random_cells()[2].view(SHAPE)
    weight = None if weight_shape is None else torch.rand(weight_shape)
    ours = value_and_gradient(
        lambda x: dense_sum(x, target, weight, **rule),
        logits,
    )
    factor = 1 if weight is None else weight
    assert_same(
        ours,
        lambda x: (gaussian_focal_loss_with_logits(x, target, **rule) * factor).sum(),
        logits,
    )


@pytest.mark.usefixtures('small_chunks')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('with_ignored', [False, True])
@pytest.mark.parametrize('mean', MEANS)
def test_listed_cells_equal_a_dense_target(dtype, rule, with_ignored, mean):
    logits = random_logits(dtype, mean=mean)
    index, heat, target = random_cells()
    target = target.view(SHAPE)
    ignored = torch.rand(2, 1, 7, 5) < 0.4 if with_ignored else None
    counted = (target == 1) | ~ignored if with_ignored else torch.ones(SHAPE)
    ours = value_and_gradient(
        lambda x: gaussian_focal_loss_sparse(
            x, index, heat, ignored, rule=FocalRule(**rule)
        ),
        logits,
    )
    assert_same(
        ours,
        lambda x: (gaussian_focal_loss_with_logits(x, target, **rule) * counted).sum(),
        logits,
    )


def test_maps_of_several_real_tasks():
    shape = (1, 2, 800, 800)
    numel = 1_280_000
    assert numel > focal_sum.TASK
    logits = random_logits(torch.float32, shape, spread=2)
    index, heat, target = random_cells(numel=numel, amount=2000)
    expected = value_and_gradient(
        lambda x: gaussian_focal_loss_with_logits(x, target.view(shape)).sum(),
        logits.double(),
    )
    for total in (
        lambda x: gaussian_focal_loss_sum(x, target.view(shape)),
        lambda x: gaussian_focal_loss_sparse(x, index, heat),
    ):
        value, gradient = value_and_gradient(total, logits)
        torch.testing.assert_close(value.double(), expected[0], rtol=2e-7, atol=0)
        torch.testing.assert_close(
            gradient.double(), expected[1], rtol=1e-6, atol=1e-30
        )


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize('pieces', [1, 2, 7])
def test_threads_share_the_work(two_threads, pieces, monkeypatch):
    monkeypatch.setattr(focal_sum, 'TASK', -(-NUMEL // pieces))
    workers = set()

    def task(cells, nothing):
        assert nothing is None
        assert not (cells * parameter).requires_grad
        workers.add(threading.current_thread())
        return cells.sum()

    parameter = torch.ones((), requires_grad=True)
    cells = torch.arange(NUMEL, dtype=torch.float64)
    with torch.no_grad():
        assert focal_sum.run_tasks(task, cells, None) == cells.sum()
    assert (threading.main_thread() in workers) == (pieces == 1)
    assert len(workers) <= 2


def test_gradient_is_exact_up_to_float32_where_probabilities_saturate():
    logits = torch.linspace(-28, 100, 20_001)
    target = torch.zeros_like(logits)
    _, gradient = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, target), logits
    )
    _, expected = value_and_gradient(
        lambda x: gaussian_focal_loss_with_logits(x, target.double()).sum(),
        logits.double(),
    )
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.usefixtures('small_chunks')
@pytest.mark.parametrize('rule', RULES)
def test_gradcheck(rule):
    logits = random_logits().requires_grad_()
    index, heat, target = random_cells()
    weight = torch.rand(SHAPE, dtype=torch.float64)
    ignored = weight < 0.3
    assert torch.autograd.gradcheck(
        lambda x: gaussian_focal_loss_sum(
            x, target.view(SHAPE), weight, rule=FocalRule(**rule)
        ),
        logits,
    )
    assert torch.autograd.gradcheck(
        lambda x: gaussian_focal_loss_sparse(
            x, index, heat, ignored, rule=FocalRule(**rule)
        ),
        logits,
    )


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('rule', RULES)
def test_extreme_logits(dtype, rule):
    logits = torch.tensor([-1e4, -100, -20, 0, 20, 100, 1e4] * 3, dtype=dtype)
    heat = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(7)
    for total in (
        lambda x: dense_sum(x, heat, **rule),
        lambda x: gaussian_focal_loss_sparse(
            x, torch.arange(21), heat, rule=FocalRule(**rule)
        ),
    ):
        value, gradient = value_and_gradient(total, logits, scale=1.0)
        assert value.isfinite()
        assert gradient.isfinite().all()
        assert gradient[6].item() == pytest.approx(rule.get('neg_weight', 1), rel=1e-2)
        assert gradient[14].item() == pytest.approx(
            -rule.get('pos_weight', 1), rel=1e-2
        )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_heat_of_lower_precision_is_lifted_before_it_is_used(dtype):
    logits = random_logits(torch.float32)
    index, heat, target = random_cells(dtype)
    target = target.view(SHAPE)
    for total, lifted in (
        (
            lambda x: gaussian_focal_loss_sum(x, target),
            lambda x: gaussian_focal_loss_sum(x, target.float()),
        ),
        (
            lambda x: gaussian_focal_loss_sparse(x, index, heat),
            lambda x: gaussian_focal_loss_sparse(x, index, heat.float()),
        ),
    ):
        expected = value_and_gradient(lifted, logits)
        assert torch.equal(value_and_gradient(total, logits)[1], expected[1])


@pytest.mark.parametrize('dtype', DTYPES)
def test_nothing_listed_is_all_background(dtype):
    logits = random_logits(dtype)
    none = torch.empty(0, dtype=torch.int64), torch.empty(0)
    ours = value_and_gradient(lambda x: gaussian_focal_loss_sparse(x, *none), logits)
    assert_same(
        ours,
        lambda x: gaussian_focal_loss_with_logits(x, torch.zeros(SHAPE)).sum(),
        logits,
    )


@pytest.mark.parametrize('dtype', DTYPES)
def test_empty_batch(dtype):
    value, gradient = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, torch.zeros(0, 3)),
        torch.zeros(0, 3, dtype=dtype),
    )
    assert value == 0
    assert gradient.shape == (0, 3)


def test_everything_ignored_has_no_loss_but_at_peaks():
    logits = random_logits()
    index, heat = torch.tensor([3, 4]), torch.tensor([1.0, 0.5])
    value, gradient = value_and_gradient(
        lambda x: gaussian_focal_loss_sparse(x, index, heat, torch.tensor(True)),
        logits,
    )
    peak = gaussian_focal_loss_with_logits(logits.view(-1)[3], torch.tensor(1.0))
    torch.testing.assert_close(value, peak)
    assert gradient.view(-1).nonzero().flatten().tolist() == [3]


@pytest.mark.parametrize('dtype', DTYPES)
def test_kept_graph_gives_the_same_gradient_again(dtype):
    logits = random_logits(dtype).requires_grad_()
    index, heat, _ = random_cells()
    value = gaussian_focal_loss_sparse(logits, index, heat)
    (first,) = torch.autograd.grad(value, logits, torch.tensor(5.0), retain_graph=True)
    first = first.clone()
    (second,) = torch.autograd.grad(value, logits, torch.tensor(5.0))
    torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


def test_gradient_cannot_be_differentiated():
    logits = random_logits().requires_grad_()
    value = gaussian_focal_loss_sum(logits, torch.zeros(SHAPE))
    (gradient,) = torch.autograd.grad(value, logits, create_graph=True)
    with pytest.raises(RuntimeError, match='does not require grad'):
        gradient.sum().backward()


@pytest.mark.usefixtures('small_chunks')
@pytest.mark.parametrize('dtype', DTYPES)
def test_scale_that_requires_a_gradient(dtype):
    logits = random_logits(dtype).requires_grad_()
    scale = torch.tensor(3.0, requires_grad=True)
    value = gaussian_focal_loss_sum(logits, torch.zeros(SHAPE))
    (gradient,) = torch.autograd.grad(value, logits, scale, create_graph=True)
    _, expected = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, torch.zeros(SHAPE)), logits.detach()
    )
    assert torch.equal(gradient, expected)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


def test_loss_scale_lifts_gradients_out_of_float16_underflow():
    logits = torch.full((8,), -7.0, dtype=torch.float16)
    target = torch.zeros(8)
    plain = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, target), logits, scale=1.0
    )
    assert not plain[1].any()
    lifted = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, target), logits, scale=2.0**20
    )
    exact = value_and_gradient(
        lambda x: gaussian_focal_loss_sum(x, target), logits.double(), scale=2.0**20
    )
    torch.testing.assert_close(lifted[1].double(), exact[1], rtol=1e-3, atol=0)


def test_any_memory_layout():
    logits = random_logits()
    index, heat, target = random_cells()
    expected = value_and_gradient(
        lambda x: gaussian_focal_loss_sparse(x, index, heat), logits
    )
    strided = logits.to(memory_format=torch.channels_last)
    assert not strided.is_contiguous()
    for total in (
        lambda x: gaussian_focal_loss_sparse(x, index, heat),
        lambda x: gaussian_focal_loss_sum(
            x, target.view(SHAPE).to(memory_format=torch.channels_last)
        ),
    ):
        ours = value_and_gradient(total, strided)
        torch.testing.assert_close(ours, expected)


def test_logits_are_left_alone():
    logits = random_logits(torch.float32)
    before = logits.clone()
    value_and_gradient(lambda x: gaussian_focal_loss_sum(x, torch.zeros(SHAPE)), logits)
    assert torch.equal(logits, before)


@pytest.mark.parametrize('dtype', AUTOCAST_DTYPES)
def test_autocast_changes_nothing(dtype):
    logits = random_logits(dtype)
    index, heat, _ = random_cells(torch.float32)

    def total(x):
        return gaussian_focal_loss_sparse(x, index, heat)

    expected = value_and_gradient(total, logits)
    with torch.autocast('cpu', dtype):
        ours = value_and_gradient(total, logits)
    assert ours[0].dtype == torch.float32
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)


COMPILERS = [
    'aot_eager',
    pytest.param(
        'inductor',
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(not shutil.which('g++'), reason='needs a C++ compiler'),
        ],
    ),
]


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('weighted', [False, True])
def test_what_a_compiler_gets_to_see_is_the_same(dtype, rule, weighted, monkeypatch):
    logits = random_logits(dtype)
    index, heat, target = random_cells(torch.float16)
    weight = torch.rand((2, 1, 7, 5)) if weighted else None
    ignored = weight < 0.4 if weighted else None

    def dense(x):
        return gaussian_focal_loss_sum(
            x, target.view(SHAPE), weight, rule=FocalRule(**rule)
        )

    def sparse(x):
        return gaussian_focal_loss_sparse(
            x, index, heat, ignored, rule=FocalRule(**rule)
        )

    expected = [value_and_gradient(total, logits) for total in (dense, sparse)]
    monkeypatch.setattr(focal_sum, 'is_compiling', lambda: True)
    for total, (value, gradient) in zip((dense, sparse), expected, strict=True):
        ours = value_and_gradient(total, logits)
        torch.testing.assert_close(ours[0], value, rtol=1e-5, atol=1e-9)
        rtol = max(1e-5, 2 * torch.finfo(dtype).eps)
        torch.testing.assert_close(ours[1], gradient, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize('backend', COMPILERS)
@pytest.mark.parametrize('form', ['cells', 'dense', 'sparse', 'ignored'])
def test_compiled_loss_is_the_same(backend, form):
    logits = random_logits(torch.float32)
    index, heat, target = random_cells(torch.float32)
    target = target.view(SHAPE)
    ignored = target < 0.3

    def total(x):
        if form == 'cells':
            return gaussian_focal_loss_with_logits(x, target).sum()
        if form == 'dense':
            return gaussian_focal_loss_sum(x, target, 0.5 + target)
        return gaussian_focal_loss_sparse(
            x, index, heat, ignored if form == 'ignored' else None
        )

    _dynamo.reset()
    # torch 2.0, which has no torch.compiler yet, compiles it in pieces.
    fullgraph = hasattr(torch, 'compiler')
    compiled = torch.compile(total, backend=backend, fullgraph=fullgraph)
    ours = value_and_gradient(compiled, logits)
    torch.testing.assert_close(
        ours, value_and_gradient(total, logits), rtol=1e-5, atol=1e-9
    )


def test_shapes_have_to_agree():
    with pytest.raises(
        ValueError, match=r'target has shape \(3,\), the logits \(2, 3\)'
    ):
        gaussian_focal_loss_sum(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize(
    ('index', 'heat', 'message'),
    [
        (torch.zeros(2, dtype=torch.int64), torch.zeros(3), r'both have to be \(P,\)'),
        (torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 1), r'\(P,\)'),
        (torch.zeros(2, dtype=torch.int32), torch.zeros(2), 'have to be int64'),
    ],
)
def test_cells_are_lists(index, heat, message):
    with pytest.raises(ValueError, match=message):
        gaussian_focal_loss_sparse(torch.zeros(4), index, heat)
