"""How does a detector become an ONNX file that is known to work?"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import Detections
from mmdet_centernet.export.check import Difference, compare, reference_maps
from mmdet_centernet.export.metadata import describe_network
from mmdet_centernet.export.network import ExportNetwork
from mmdet_centernet.export.view import View
from mmdet_centernet.files import write_bytes

# The first that have GridSample and DeformConv. Older ones run in more places.
OPSET = 16
DEFORM_CONV_OPSET = 19
DEFAULT_MULTIPLE = 32
MIN_TRACED_SIDE = 64
"""Room for 100 peaks of a single class at stride 4: the trace fixes their number."""
CHECKED_BATCH = 2


class Exported(NamedTuple):
    """What was exported, and how far it was checked.

    Attributes:
        opset: Version of the ONNX operator set.
        inputs: Shape of the input that ONNX Runtime and torch were compared on.
        difference: The largest differences.
    """

    opset: int
    inputs: tuple[int, ...]
    difference: Difference


def export_onnx(
    detector: nn.Module,
    path: Path,
    *,
    view: View,
    classes: Sequence[str],
    normalize: bool = False,
    flip: bool = False,
    grid_sample: bool = False,
) -> Exported:
    """Write a detector to an ONNX file and compare the two.

    The comparison runs ONNX Runtime on a batch and an image size that differ from those
    of the trace. Where boxes or scores differ by more than their tolerance, no file is
    left.

    Args:
        detector: Detector with a ``CTDetHead``, on the CPU.
        path: File to write.
        view: How the test pipeline shows images to the network; for the metadata.
        classes: Names of the classes.
        normalize: Let the graph take uint8 images (B, H, W, 3) in the order blue,
            green, red; else it takes normalised ones (B, 3, H, W).
        flip: Average with the mirror image.
        grid_sample: Write deformable convolutions as ``GridSample``, not
            ``DeformConv``.

    Returns:
        What was exported.

    Raises:
        TypeError: If the detector has no ``CTDetHead``.
        ValueError: If something of it cannot be exported, or the outputs differ.
    """
    network = ExportNetwork(
        detector, normalize=normalize, flip=flip, grid_sample=grid_sample
    )
    metadata = describe_network(network, view, classes)
    divisor = network.preprocessor.pad_size_divisor
    multiple = math.lcm(view.multiple, divisor)
    multiple = multiple if multiple > 1 else DEFAULT_MULTIPLE
    model = _trace(network, multiple * math.ceil(MIN_TRACED_SIDE / multiple))
    _check_operators(model)
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString()
    images = _random_images(multiple, divisor)
    difference = _run_both(detector.eval(), network, content, images)
    if not difference.small:
        raise ValueError(
            f'ONNX Runtime and torch disagree: boxes by {difference.boxes:.2g} pixels, '
            f'scores by {difference.scores:.2g}. No file was written'
        )
    write_bytes(path, content)
    return Exported(model.opset_import[0].version, images.shape, difference)


def _trace(network: ExportNetwork, side: int) -> onnx.ModelProto:
    """The graph, traced on a single square image."""
    shape = (1, side, side, 3) if network.normalize else (1, 3, side, side)
    height_axis = 1 if network.normalize else 2
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        torch.no_grad(),
    ):
        # Of sizes that the trace fixes, which are those of the network; and that
        # torch has a newer exporter, which cannot read mmcv's operators.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (torch.zeros(shape, dtype=torch.uint8 if network.normalize else None),),
            f'{folder}/network.onnx',
            opset_version=DEFORM_CONV_OPSET if network.has_deform_conv else OPSET,
            input_names=['images'],
            output_names=list(Detections._fields),
            dynamic_axes=dict(
                images={0: 'batch', height_axis: 'height', height_axis + 1: 'width'},
                **{name: {0: 'batch'} for name in Detections._fields},
            ),
            dynamo=False,
        )
        return onnx.load(f'{folder}/network.onnx')


def _check_operators(model: onnx.ModelProto) -> None:
    """Refuse what a plain runtime does not have."""
    strange = sorted(
        {f'{node.domain}::{node.op_type}' for node in model.graph.node if node.domain}
    )
    if strange:
        raise ValueError(
            f'the network has operators that ONNX does not know: {", ".join(strange)}'
        )
    onnx.checker.check_model(model)


def _random_images(multiple: int, divisor: int) -> np.ndarray:
    """uint8 images (B, H, W, 3), not square; not padded yet where the graph pads."""
    missing = divisor // 2
    shape = (CHECKED_BATCH, 2 * multiple - missing, 3 * multiple - missing, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _run_both(
    detector: nn.Module, network: ExportNetwork, content: bytes, images: np.ndarray
) -> Difference:
    """Compare the graph with the detector as it was, preprocessor included."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    batch = dict(inputs=list(pixels), data_samples=None)
    inputs: Tensor = network.preprocessor(batch, False)['inputs']
    session = _open(content)
    fed = images if network.normalize else inputs.numpy()
    found = Detections(*map(torch.from_numpy, session.run(None, {'images': fed})))
    return compare(
        found,
        reference_maps(detector, inputs, flip=network.flip),
        stride=network.head.stride,
        kernel=network.head.test_settings['local_maximum_kernel'],
    )


def _open(content: bytes) -> onnxruntime.InferenceSession:
    """On the CPU. onnxruntime's exceptions have no class in common."""
    try:
        return onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ValueError(
            f'onnxruntime {onnxruntime.__version__} cannot run the graph: {error}. '
            'DeformConv needs onnxruntime 1.25; before, export with --grid-sample'
        ) from error
