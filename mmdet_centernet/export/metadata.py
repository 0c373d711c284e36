"""Writes the metadata of an exported network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mmdet_centernet.codecs import Detections
from mmdet_centernet.export.geometry import describe_geometry
from mmdet_centernet.export.network import ExportNetwork
from mmdet_centernet.export.pipeline import PipelineSteps
from mmdet_centernet.models.preprocessing import Preprocessing, read_preprocessing

FORMAT_VERSION = 1
"""Increases when files need a newer `tools/predict_onnx.py`."""

TAKEN_KEYS = {
    *('images', *Detections._fields),  # inputs and outputs of the graph
    *('id', 'image_id', 'category_id', 'bbox', 'segmentation', 'area', 'iscrowd'),
    *('num_keypoints', 'score'),
}
"""Names in the graph and in predicted annotations that properties cannot use."""


def describe_network(
    network: ExportNetwork,
    pipeline: PipelineSteps,
    classes: Sequence[str],
    skeleton: Sequence[Sequence[int]] = (),
) -> dict[str, str]:
    """Collects the metadata of an ONNX file.

    Args:
        network: Network of the graph.
        pipeline: Steps of the test pipeline.
        classes: Names of the classes.
        skeleton: Pairs of keypoints that visualizations connect.

    Returns:
        JSON texts by name:

        - ``mmdet_centernet``: version of this format.
        - ``classes``: names, in the order of the labels.
        - ``properties``: for each, ``name``, ``key``, which is the name of an output,
          ``geometry``, see :attr:`Property.geometry`, and for keypoints ``skeleton``.
        - ``stride``: pixels per cell.
        - ``normalize``: whether the graph normalizes images; else the caller does, with
          ``channels`` (``bgr`` or ``rgb``), ``mean`` and ``std`` (of 0 to 255, in that
          order), and passes (B, 3, H, W) float32.
        - ``view``, ``image_dtype``: ``steps`` and ``dtype`` of ``PipelineSteps``;
          borders are black.
        - ``pad_size_divisor``, ``pad_value``: the graph pads normalized images below
          and right to multiples of the divisor, with the value.
        - ``flip``: whether the graph averages with the flipped image.
        - ``score_thr``, ``clip_border``: of ``test_cfg``, for the caller to apply.

    Raises:
        ValueError: If the names do not match the head, rounding would move boxes, or
            values of a property cannot be mapped to the image outside torch.
    """
    head, preprocessing = network.head, read_preprocessing(network.preprocessor)
    if len(classes) != head.num_classes:
        raise ValueError(
            f'there are names of {len(classes)} classes, but the head has '
            f'{head.num_classes}'
        )
    if network.normalize and pipeline.dtype != 'uint8':
        raise ValueError(
            'the test pipeline resizes images in float32 (to_float32=True), but with '
            '--normalize the graph takes uint8. Leave out --normalize, or to_float32'
        )
    facts: dict[str, Any] = dict(
        mmdet_centernet=FORMAT_VERSION,
        classes=list(classes),
        properties=_properties(network, skeleton),
        stride=head.stride,
        normalize=network.normalize,
        **_colors(preprocessing),
        view=pipeline.steps,
        image_dtype=pipeline.dtype,
        pad_size_divisor=preprocessing.pad_size_divisor,
        pad_value=preprocessing.pad_value,
        flip=network.flip,
        score_thr=head.test_settings['score_thr'],
        clip_border=head.test_settings['clip_border'],
    )
    return {name: json.dumps(value) for name, value in facts.items()}


def _properties(
    network: ExportNetwork, skeleton: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    """Describes the properties, in the order of the outputs."""
    described = []
    for name, prop in network.head.properties.items():
        if prop.key in TAKEN_KEYS:
            raise ValueError(
                f'the key of {name} is {prop.key!r}, which predictions use already: '
                'give the property another key in the config. Its weights stay'
            )
        one = dict(name=name, key=prop.key, geometry=describe_geometry(name, prop))
        if one['geometry']['kind'] == 'keypoints':
            one['skeleton'] = [list(pair) for pair in skeleton]
        described.append(one)
    return described


def _colors(preprocessing: Preprocessing) -> dict[str, Any]:
    """Returns the order of the channels, mean and std."""
    mean, std = [0.0] * 3, [1.0] * 3
    if preprocessing.mean is not None and preprocessing.std is not None:
        mean, std = (
            values.flatten().tolist()
            for values in (preprocessing.mean, preprocessing.std)
        )
    channels = 'rgb' if preprocessing.reverses_channels else 'bgr'
    return dict(channels=channels, mean=mean, std=std)
