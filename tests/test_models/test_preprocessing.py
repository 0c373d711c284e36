import pytest
import torch
from mmdet.models import DetDataPreprocessor

from mmdet_centernet.models.preprocessing import read_preprocessing


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
@pytest.mark.parametrize(
    'normalization', [{}, dict(mean=[90, 100, 110], std=[60, 50, 40])]
)
def test_settings_reproduce_the_data_preprocessor(bgr_to_rgb, normalization):
    preprocessor = DetDataPreprocessor(
        **normalization, bgr_to_rgb=bgr_to_rgb, pad_size_divisor=32, pad_value=7
    )
    image = torch.randint(0, 256, (3, 20, 40), dtype=torch.uint8)
    expected = preprocessor(dict(inputs=[image], data_samples=None))['inputs'][0]
    settings = read_preprocessing(preprocessor)
    pixels = (image.flip(0) if settings.reverses_channels else image).float()
    if settings.mean is not None:
        pixels = (pixels - settings.mean) / settings.std
    below, right = (-side % settings.pad_size_divisor for side in (20, 40))
    padding = (0, right, 0, below)
    padded = torch.nn.functional.pad(pixels, padding, value=settings.pad_value)
    assert torch.equal(padded, expected)
