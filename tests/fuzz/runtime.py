"""The ONNX runner with valid and broken exports, against mmdet."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import cv2
import numpy as np
import onnx
import torch
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from fuzz import draws
from fuzz.outcome import RIGHT, refused
from helpers.tool_modules import load_tool
from mmdet_centernet.export import describe_pipeline, export_onnx

predict_onnx = load_tool('predict_onnx.py')
PIXELS, SCORE = 0.05, 1e-4
SIDES = (1, 90), (1, 90), (1, 90), (100, 400)
CLASSES = ('one', 'two')
META_KEYS = ('ori_shape', 'img_shape', 'scale_factor', 'homography_matrix')
TRANSFORMS: tuple[dict, ...] = (
    dict(type='CenterAffine', pad=31),
    dict(type='CenterAffine', size=(96, 64)),
    dict(type='Resize', scale=(96, 64), keep_ratio=False),
)


class Pair(NamedTuple):
    """A detector and its export.

    Attributes:
        detector: With the config of its test pipeline.
        content: The ONNX file.
        black: The highest score in a black image.
    """

    detector: nn.Module
    content: bytes
    black: float


def runtime(draw: Random) -> str:
    """The runner and mmdet find the same objects in an image file."""
    pair = export(draw.randrange(len(TRANSFORMS)))
    with tempfile.TemporaryDirectory() as folder:
        model, path = Path(folder) / 'model.onnx', draw_file(draw, Path(folder))
        model.write_bytes(pair.content)
        runner = predict_onnx.Detector(model, threads=1)
        (ours,) = runner([predict_onnx.read_image(path)])
        found = inference_detector(pair.detector, str(path)).pred_instances
        theirs = predict_onnx.Detections(
            found.bboxes.numpy(), found.scores.numpy(), found.labels.numpy()
        )
        check_same(ours, theirs, pair.black)
        check_same(theirs, ours, pair.black)
    return RIGHT


def refuse(draw: Random) -> str:
    """Errors name broken exports and images."""
    with tempfile.TemporaryDirectory() as folder:
        path, message = draw.choice(FAULTS)(draw, Path(folder))

        def run() -> None:
            runner = predict_onnx.Detector(path, threads=1)
            image = draw.choice([draw_text, draw_folder])(draw, Path(folder))
            runner([predict_onnx.read_image(image)])

        return refused(ValueError, message, run)


@cache
def export(view: int) -> Pair:
    """Builds and exports a narrow network with one of the test transforms."""
    torch.manual_seed(view)
    pipeline = [
        dict(type='LoadImageFromFile'),
        TRANSFORMS[view],
        dict(type='PackDetInputs', meta_keys=META_KEYS),
    ]
    detector = MODELS.build(network())
    detector.cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    detector.bbox_head.heatmap_head[-1].weight.data.normal_(std=0.5)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / 'model.onnx'
        export_onnx(
            detector.eval(),
            path,
            pipeline=describe_pipeline(pipeline),
            classes=CLASSES,
            normalize=view % 2 == 0,
        )
        empty = detector(torch.zeros(1, 3, 96, 96), mode='tensor')[0][-1]
        return Pair(detector, path.read_bytes(), float(empty.sigmoid().max()))


def network() -> dict:
    """Returns the config of the first stage of a narrow ResNet with a head."""
    return dict(
        type='SingleStageDetector',
        data_preprocessor=dict(
            type='DetDataPreprocessor', mean=[0] * 3, std=[60] * 3, bgr_to_rgb=True
        ),
        backbone=dict(
            type='ResNet',
            depth=18,
            base_channels=8,
            num_stages=1,
            strides=(1,),
            dilations=(1,),
            out_indices=(0,),
        ),
        bbox_head=dict(
            type='CTDetHead', in_channels=8, feat_channels=8, num_classes=len(CLASSES)
        ),
    )


def draw_file(draw: Random, folder: Path) -> Path:
    """Draws an image file."""
    low, high = draw.choice(SIDES)
    image = draws.image(draw, draw.randint(low, high), draw.randint(low, high))
    if image.dtype == np.float32:
        image = image.astype(np.uint8)
    suffix = draw.choice(['.png', '.tif', '.jpg', '.webp', '.bmp'])
    if image.dtype == np.uint16 and suffix not in ('.png', '.tif'):
        image = image.astype(np.uint8)
    path = folder / f'image{suffix}'
    assert cv2.imwrite(str(path), image)
    return path


def check_same(
    some: predict_onnx.Detections, others: predict_onnx.Detections, black: float
) -> None:
    """Checks that others contain all detections of some.

    Excludes scores of a black image, where many cells are equal and rounding decides,
    and the lowest score, which top-k may cut.
    """
    confident = some.scores > max(black, some.scores.min(initial=1)) + SCORE
    for box, score, label in zip(*(part[confident] for part in some), strict=True):
        near = (np.abs(others.boxes - box) < PIXELS).all(1)
        near &= np.abs(others.scores - score) < SCORE
        assert (near & (others.labels == label)).any(), (box, score, label)


def truncated(draw: Random, folder: Path) -> tuple[Path, str]:
    """A truncated file."""
    path, content = folder / 'model.onnx', export(0).content
    path.write_bytes(content[: draw.randrange(len(content))])
    return path, 'cannot run|not written by'


def other_file(draw: Random, folder: Path) -> tuple[Path, str]:
    """Not an ONNX file, or no file."""
    path = folder / 'model.onnx'
    if draw.random() < 0.3:
        return path, 'there is no file'
    path.write_bytes(draw.choice([b'<html>404</html>', b'\0' * 9, draw.randbytes(99)]))
    return path, 'cannot run|not written by'


def other_metadata(draw: Random, folder: Path) -> tuple[Path, str]:
    """Metadata of another version or exporter, incomplete or damaged."""
    model = onnx.load_from_string(export(0).content)
    fields = {one.key: one.value for one in model.metadata_props}
    name = draw.choice(sorted(predict_onnx.FIELDS))
    kind = draw.randrange(4)
    if kind == 0:
        message = 'not written by'
        del fields['mmdet_centernet']
    elif kind == 1:
        fields['mmdet_centernet'] = draw.choice(['0', '2', 'new'])
        message = 'Export it again'
    elif kind == 2:
        message = f'has no metadata {name}'
        del fields[name]
    else:
        fields[name] = fields[name][:-1] + '('
        message = 'is damaged'
    onnx.helper.set_model_props(model, fields)
    path = folder / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    return path, message


def other_network(draw: Random, folder: Path) -> tuple[Path, str]:
    """A network with other names of inputs or outputs."""
    model = onnx.load_from_string(export(0).content)
    name = draw.choice(['images', *predict_onnx.BOX_OUTPUTS])
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ['other' if one == name else one for one in names]
    for one in (*model.graph.input, *model.graph.output):
        one.name = 'other' if one.name == name else one.name
    path = folder / 'model.onnx'
    path.write_bytes(model.SerializeToString())
    return path, f'has no {name}'


def no_image(draw: Random, folder: Path) -> tuple[Path, str]:
    """A valid network."""
    path = folder / 'model.onnx'
    path.write_bytes(export(draw.randrange(len(TRANSFORMS))).content)
    return path, 'cannot be read as an image'


def draw_text(draw: Random, folder: Path) -> Path:
    """A file with the suffix of an image and other content."""
    path = folder / 'image.jpg'
    path.write_bytes(draw.choice([b'', b'<html>', b'\xff\xd8\xff', draw.randbytes(99)]))
    return path


def draw_folder(draw: Random, folder: Path) -> Path:
    """A folder, or no file."""
    path = folder / draw.choice(['gone.jpg', 'folder.jpg'])
    if path.name == 'folder.jpg':
        path.mkdir()
    return path


FAULTS = (truncated, other_file, other_metadata, other_network, no_image)
