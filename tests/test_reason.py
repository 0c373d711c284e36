"""Exceptions on one line."""

import cv2
import numpy as np
import pytest

from mmdet_centernet.reason import reason


def test_lines_of_opencv_are_joined():
    with pytest.raises(cv2.error) as caught:
        cv2.cvtColor(np.zeros((2, 2, 1), np.uint8), cv2.COLOR_RGB2GRAY)
    text = reason(caught.value)
    assert '\n' not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (KeyError('img'), "KeyError: 'img'"),
        (AssertionError(), 'AssertionError'),
        (ValueError('wrong size'), 'wrong size'),
        (OSError(2, 'No such file', 'a.jpg'), "[Errno 2] No such file: 'a.jpg'"),
    ],
)
def test_types_are_added_except_for_value_and_os_errors(error, text):
    assert reason(error) == text
