"""Exports a detector to an ONNX file and compares the two."""

from __future__ import annotations

import inspect
import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import torch
from mmengine.utils import deprecated_api_warning, digit_version
from torch import nn

from mmdet_centernet.export.check import Difference
from mmdet_centernet.export.comparison import Comparison, Shape, shapes_to_check
from mmdet_centernet.export.metadata import describe_network
from mmdet_centernet.export.network import ExportNetwork
from mmdet_centernet.export.pipeline import PipelineSteps
from mmdet_centernet.files import write_bytes
from mmdet_centernet.models.preprocessing import read_preprocessing

# The oldest opsets with GridSample and DeformConv, which most runtimes support.
OPSET = 16
DEFORM_CONV_OPSET = 19
DEFORM_CONV_TORCH = '2.1'
DEFAULT_MULTIPLE = 32
MIN_TRACED_SIDE = 64


class Exported(NamedTuple):
    """Summary of an export.

    Attributes:
        opset: Version of the ONNX operator set.
        inputs: Images, height and width of the inputs of the comparison between ONNX
            Runtime and torch.
        difference: The largest differences.
        properties: Names of the exported properties.
    """

    opset: int
    inputs: tuple[Shape, ...]
    difference: Difference
    properties: tuple[str, ...] = ()

    @property
    def has_deform_conv(self) -> bool:
        """Whether the graph has ``DeformConv``, which only newer runtimes support."""
        return self.opset >= DEFORM_CONV_OPSET


@deprecated_api_warning(dict(view='pipeline'))
def export_onnx(
    detector: nn.Module,
    path: Path,
    *,
    pipeline: PipelineSteps,
    classes: Sequence[str],
    normalize: bool = False,
    flip: bool = False,
    grid_sample: bool = False,
    static: tuple[int, int] | None = None,
    skeleton: Sequence[Sequence[int]] = (),
) -> Exported:
    """Writes a detector to an ONNX file and compares the two.

    The comparison runs ONNX Runtime on batches and image sizes other than the traced
    ones, with fewer cells than ``topk`` and with more. If boxes, scores or properties
    differ by more than their tolerance, no file is written.

    Args:
        detector: Detector with a ``CTDetHead``, on the CPU.
        path: File to write.
        pipeline: Steps of the test pipeline; for the metadata.
        classes: Names of the classes, in the order of the labels.
        normalize: The graph takes uint8 images (B, H, W, 3) in B, G, R; else it takes
            normalized ones (B, 3, H, W).
        flip: Average with the flipped image.
        grid_sample: Write deformable convolutions as ``GridSample``, not
            ``DeformConv``.
        static: Height and width of the only image size of the graph; None for free
            sizes. Networks in which tracing fixes the size need it.
        skeleton: Pairs of keypoints, counted from 0, that visualizations connect; for
            the metadata.

    Returns:
        A summary of the export.

    Raises:
        TypeError: If the detector has no ``CTDetHead``.
        ValueError: If a part of it cannot be exported, or the outputs differ.
    """
    network = ExportNetwork(
        detector, normalize=normalize, flip=flip, grid_sample=grid_sample
    )
    metadata = describe_network(network, pipeline, classes, skeleton)
    divisor = read_preprocessing(network.preprocessor).pad_size_divisor
    multiple = math.lcm(pipeline.multiple, divisor)
    _check_static(static, multiple)
    multiple = multiple if multiple > 1 else DEFAULT_MULTIPLE
    side = multiple * math.ceil(MIN_TRACED_SIDE / multiple)
    model = _trace(network, side, static)
    _check_operators(model)
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString()
    shapes = [(1, *static)] if static else shapes_to_check(network, multiple, divisor)
    traced = (1, *(static or (side, side)))
    comparison = Comparison(detector.eval(), network, content)
    difference = comparison.over(shapes, traced)
    write_bytes(path, content)
    return Exported(
        model.opset_import[0].version,
        tuple(shapes),
        difference,
        tuple(network.head.properties),
    )


def _check_static(static: tuple[int, int] | None, multiple: int) -> None:
    if static and any(side < 1 or side % multiple for side in static):
        whole = [max(1, math.ceil(side / multiple)) * multiple for side in static]
        raise ValueError(
            f'{static[0]} x {static[1]} pixels are not possible: give multiples of '
            f'{multiple}, such as --static {whole[0]} {whole[1]}'
        )


def _trace(
    network: ExportNetwork, side: int, static: tuple[int, int] | None = None
) -> onnx.ModelProto:
    """Traces the graph on a single image, a square one or of the static size."""
    height, width = static or (side, side)
    shape = (1, height, width, 3) if network.normalize else (1, 3, height, width)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        torch.no_grad(),
    ):
        # Warnings about sizes that tracing fixes, which are those of the network, and
        # about torch's newer exporter, which does not support mmcv's operators.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (torch.zeros(shape, dtype=torch.uint8 if network.normalize else None),),
            f'{folder}/network.onnx',
            opset_version=_opset(network),
            input_names=['images'],
            output_names=network.output_names,
            dynamic_axes=None if static else _free_axes(network),
            **_tracing(),
        )
        return onnx.load(f'{folder}/network.onnx')


def _free_axes(network: ExportNetwork) -> dict[str, dict[int, str]]:
    """Names the dynamic axes."""
    height = 1 if network.normalize else 2
    return dict(
        images={0: 'batch', height: 'height', height + 1: 'width'},
        **{name: {0: 'batch', 1: 'detections'} for name in network.output_names},
    )


def _opset(network: ExportNetwork) -> int:
    if not network.has_deform_conv:
        return OPSET
    if digit_version(torch.__version__) < digit_version(DEFORM_CONV_TORCH):
        raise ValueError(
            f'torch {torch.__version__} cannot write DeformConv, which needs torch '
            f'{DEFORM_CONV_TORCH}; before, export with --grid-sample'
        )
    return DEFORM_CONV_OPSET


def _tracing() -> dict[str, Any]:
    """Returns arguments that select tracing; before torch 2.5 there is no choice."""
    known = inspect.signature(torch.onnx.export).parameters
    return dict(dynamo=False) if 'dynamo' in known else {}


def _check_operators(model: onnx.ModelProto) -> None:
    """Raises an error for operators outside the ONNX standard."""
    strange = sorted(
        {f'{node.domain}::{node.op_type}' for node in model.graph.node if node.domain}
    )
    if strange:
        raise ValueError(
            f'the network has operators that ONNX does not know: {", ".join(strange)}'
        )
    onnx.checker.check_model(model)
