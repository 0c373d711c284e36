"""What has to be known of an exported network besides its graph?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mmdet_centernet.export.network import ExportNetwork
from mmdet_centernet.export.view import View

FORMAT_VERSION = 1
"""Raised when files need another `tools/predict_onnx.py`."""


def describe_network(
    network: ExportNetwork, view: View, classes: Sequence[str]
) -> dict[str, str]:
    """Collect the metadata of an ONNX file.

    Args:
        network: What the graph computes.
        view: How images are brought into the form that the graph expects.
        classes: Names of the classes.

    Returns:
        JSON texts by name:

        - ``mmdet_centernet``: version of this format.
        - ``classes``: names, in the order of the labels.
        - ``stride``: pixels a cell.
        - ``normalize``: whether the graph normalises colours; else ``channels``
          (``bgr`` or ``rgb``), ``mean`` and ``std`` (of 0 to 255, in that order) say
          how, and images are (B, 3, H, W) float32.
        - ``view``, ``image_dtype``: see ``View``; borders are black.
        - ``pad_size_divisor``, ``pad_value``: the graph itself pads normalised images
          below and right to multiples of the one, with the other.
        - ``flip``: whether the graph averages with the mirror image.
        - ``score_thr``, ``clip_border``: what ``test_cfg`` asks for afterwards.

    Raises:
        ValueError: If the names do not fit the head, or rounding would move boxes.
    """
    head, preprocessor = network.head, network.preprocessor
    if len(classes) != head.num_classes:
        raise ValueError(
            f'there are names of {len(classes)} classes, but the head has '
            f'{head.num_classes}'
        )
    if network.normalize and view.dtype != 'uint8':
        raise ValueError(
            'the test pipeline scales images without rounding (to_float32=True), which '
            'uint8 images cannot hold. Leave out --normalize, or to_float32'
        )
    facts: dict[str, Any] = dict(
        mmdet_centernet=FORMAT_VERSION,
        classes=list(classes),
        stride=head.stride,
        normalize=network.normalize,
        **_colors(preprocessor),
        view=view.steps,
        image_dtype=view.dtype,
        pad_size_divisor=preprocessor.pad_size_divisor,
        pad_value=preprocessor.pad_value,
        flip=network.flip,
        score_thr=head.test_settings['score_thr'],
        clip_border=head.test_settings['clip_border'],
    )
    return {name: json.dumps(value) for name, value in facts.items()}


def _colors(preprocessor: Any) -> dict[str, Any]:
    """Order of the channels, and what is subtracted and divided by."""
    mean, std = [0.0] * 3, [1.0] * 3
    if preprocessor._enable_normalize:
        mean, std = (
            values.flatten().tolist()
            for values in (preprocessor.mean, preprocessor.std)
        )
    channels = 'rgb' if preprocessor._channel_conversion else 'bgr'
    return dict(channels=channels, mean=mean, std=std)
