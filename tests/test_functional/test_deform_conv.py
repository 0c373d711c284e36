"""The composed deformable convolution is mmcv's operator."""

import pytest
import torch
from mmcv.ops import modulated_deform_conv2d

from mmdet_centernet.functional.deform_conv import sampled_deform_conv2d

SQUARE = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1, deform_groups=1)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(stride=(2, 1)),
        dict(padding=(0, 2)),
        dict(dilation=(2, 3)),
        dict(groups=2),
        dict(deform_groups=3),
        dict(groups=3, deform_groups=2, stride=(2, 2), padding=(2, 1)),
    ],
)
@pytest.mark.parametrize('kernel', [(3, 3), (1, 2)])
def test_equals_mmcv(settings, kernel):
    settings = SQUARE | settings
    torch.manual_seed(0)
    x = torch.randn(2, 6, 9, 13, dtype=torch.float64)
    groups, deform_groups = settings['groups'], settings['deform_groups']
    weight = torch.randn(12, 6 // groups, *kernel, dtype=torch.float64)
    bias = torch.randn(12, dtype=torch.float64)
    size = [
        (length + 2 * padding - dilation * (side - 1) - 1) // stride + 1
        for length, side, padding, dilation, stride in zip(
            x.shape[-2:],
            kernel,
            *(settings[name] for name in ('padding', 'dilation', 'stride')),
            strict=True,
        )
    ]
    taps = kernel[0] * kernel[1] * deform_groups
    # Offsets reach far beyond the map.
    offset = 6 * torch.randn(2, 2 * taps, *size, dtype=torch.float64)
    mask = torch.rand(2, taps, *size, dtype=torch.float64)

    ours = sampled_deform_conv2d(x, offset, mask, weight, bias, **settings)

    theirs = modulated_deform_conv2d(x, offset, mask, weight, bias, *settings.values())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
