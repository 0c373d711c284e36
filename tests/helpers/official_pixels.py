"""Images of the official implementation, as exactly as OpenCV allows."""

import hashlib

import cv2
import numpy as np


def same_opencv(golden):
    """Whether images were made by this major version, and have to be equal."""
    return cv2.__version__.split('.')[0] == str(golden['opencv_version_main'])[0]


def assert_image(image, golden, case):
    """Compare with the fingerprint of an official 8-bit image.

    Versions of OpenCV interpolate differently: by up to 6 of 255 levels.
    """
    grid = golden[f'{case}__u8_grid'].astype(int)
    gap = np.abs(image[3::8, 5::8] - grid)
    if same_opencv(golden):
        digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
        assert digest == str(golden[f'{case}__u8_sha256'])
        assert gap.max() == 0
    assert gap.mean() < 0.2
    assert gap.max() <= 8


def assert_tensor(tensor, golden, case):
    """Compare with samples of an official normalized tensor (3, H, W)."""
    assert tensor.shape == tuple(golden[f'{case}__shape'])
    atol = 1e-5 if same_opencv(golden) else 8 / 255 / 0.27
    np.testing.assert_allclose(
        tensor[:, 8::16, 8::16], golden[f'{case}__float_grid'], rtol=0, atol=atol
    )
    places = tuple(golden[f'{case}__sample_chw'].T)
    np.testing.assert_allclose(
        tensor[places], golden[f'{case}__sample_val'], rtol=0, atol=atol
    )
