import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdet_centernet.codecs import CenterCoder
from mmdet_centernet.functional.flip import mean_logit

NAMES = 'heatmap', 'wh', 'offset'
LOGITS = st.floats(-60, 60)


@given(LOGITS, LOGITS)
def test_is_the_logit_of_the_mean(one, other):
    logits = torch.tensor([one, other], dtype=torch.float64)
    # The mean of two sure ones is 1 even in float64: compare on the side that is not.
    sign = -logits.sum().sign()
    expected = sign * (sign * logits).sigmoid().mean().logit()
    got = mean_logit(*logits.float())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=1e-6, atol=1e-6)


def test_high_peaks_keep_their_order():
    logits = torch.linspace(10, 60, 200)
    assert logits.sigmoid().unique().numel() < 100
    assert mean_logit(logits, logits + 1).diff().gt(0).all()


def test_certainty_stays_certain():
    logits = torch.tensor([-torch.inf, -200.0, 200.0, torch.inf])
    assert mean_logit(logits, logits).sigmoid().tolist() == [0, 0, 1, 1]


def test_half_precision_is_averaged_in_float32():
    logits = torch.linspace(-8, 8, 99).half()
    expected = mean_logit(logits.float(), logits.float() + 1)
    assert torch.equal(mean_logit(logits, logits.float() + 1), expected)
    assert torch.equal(mean_logit(logits.float() + 1, logits), expected)
    assert mean_logit(logits, logits).dtype == torch.float32


def average_flipped(maps, flipped):
    coder = CenterCoder(stride=4, topk=100, kernel=3)
    named = [dict(zip(NAMES, one, strict=True)) for one in (maps, flipped)]
    merged = coder.merge_flipped(*named)
    return [merged[name] for name in NAMES]


def test_a_map_averaged_with_its_flip_is_unchanged():
    maps = [torch.randn(2, channels, 5, 7) for channels in (3, 2, 2)]
    averages = average_flipped(maps, [one.flip(-1) for one in maps])
    for average, one in zip(averages, maps, strict=True):
        torch.testing.assert_close(average, one, rtol=1e-5, atol=1e-6)


def test_the_offset_of_the_flipped_image_does_not_count():
    maps = [torch.randn(1, channels, 5, 7) for channels in (3, 2, 2)]
    noise = [*(one.flip(-1) for one in maps[:2]), torch.randn(1, 2, 5, 7)]
    assert torch.equal(average_flipped(maps, noise)[2], maps[2])
