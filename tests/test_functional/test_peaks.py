import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_centernet.functional import peaks
from mmdet_centernet.functional.peaks import gather_cells, local_maxima, top_peaks


def peaks_slowly(logits, kernel):
    """All peaks of one image as (height, class, y, x), highest first, cell by cell."""
    reach, found = kernel // 2, []
    classes, height, width = logits.shape
    for c, y, x in np.ndindex(classes, height, width):
        top, left = max(0, y - reach), max(0, x - reach)
        around = logits[c, top : y + reach + 1, left : x + reach + 1]
        if logits[c, y, x] >= around.max():
            found.append((float(logits[c, y, x]), c, y, x))
    return sorted(found, reverse=True)


def as_lists(found, width):
    """What ``peaks_slowly`` returns, for each image."""
    return [
        [
            (logit, label, cell // width, cell % width)
            for logit, label, cell in zip(*one, strict=True)
            if logit > -np.inf
        ]
        for one in zip(*(field.tolist() for field in found), strict=True)
    ]


@st.composite
def maps(draw):
    shape = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 4), *[st.integers(1, 12)] * 2)
    )
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    smooth = draw(st.booleans())  # one hill: most high cells are no peaks
    values = generator.permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    if smooth:
        values = np.sort(values, axis=-1)
    return torch.tensor(values)


@settings(max_examples=200)
@given(maps(), st.integers(1, 40), st.sampled_from([1, 3, 5]))
def test_equals_slow_search(logits, k, kernel):
    expected = [peaks_slowly(one, kernel)[:k] for one in logits.numpy()]
    assert as_lists(top_peaks(logits, k, kernel), logits.shape[-1]) == expected


@settings(max_examples=100)
@given(maps(), st.integers(1, 40), st.sampled_from([1, 3, 5]))
def test_both_ways_agree(logits, k, kernel):
    """A trace, like an accelerator, uses the path with fixed sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks.torch.jit, 'is_tracing', lambda: True)
        traced = top_peaks(logits, k, kernel)
    eager = top_peaks(logits, k, kernel)
    assert eager.logits.shape == traced.logits.shape
    width = logits.shape[-1]
    assert as_lists(eager, width) == as_lists(traced, width)


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.parametrize('traced', [(4, 4), (20, 20)])
def test_a_trace_gives_as_many_peaks_of_other_sizes(traced):
    graph = torch.jit.trace(
        lambda logits: tuple(top_peaks(logits, 100)),
        torch.randn(1, 1, *traced),
        check_trace=False,  # which cells fill up the list is left open
    )
    for shape in ((1, 1, 4, 4), (2, 1, 10, 10), (2, 3, 5, 6), (1, 3, 20, 24)):
        logits = torch.randn(shape)
        eager = top_peaks(logits, 100)
        real = eager.logits > -torch.inf
        for found, expected in zip(graph(logits), eager, strict=True):
            assert found.shape == expected.shape
            assert torch.equal(found[real], expected[real])


def test_plateaus_count_with_all_their_cells():
    found = top_peaks(torch.zeros(2, 3, 4, 5), 60)
    assert found.logits.eq(0).all()
    for image in range(2):
        pairs = zip(
            found.labels[image].tolist(), found.positions[image].tolist(), strict=True
        )
        assert len(set(pairs)) == 60


def test_no_peaks_at_all():
    found = top_peaks(torch.full((1, 2, 3, 3), -torch.inf), 4)
    assert found.logits.eq(-torch.inf).all()
    assert found.positions.lt(9).all()


def test_local_maxima_of_a_hill():
    hill = -(torch.arange(5.0) - 2).abs()
    found = local_maxima((hill[:, None] + hill)[None, None], 3)
    assert found.nonzero().tolist() == [[0, 0, 2, 2]]


def test_gather_cells_reads_vectors():
    stacked = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    cells = torch.tensor([[7, 0], [19, 6]])
    expected = torch.stack(
        [stacked[b, :, cells[b] // 5, cells[b] % 5].T for b in range(2)]
    )
    assert torch.equal(gather_cells(stacked, cells), expected)
