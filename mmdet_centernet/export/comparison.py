"""Runs the exported graph and the detector on the same images and compares them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from mmdet_centernet.codecs import Detections
from mmdet_centernet.export.check import Difference, compare, reference_maps
from mmdet_centernet.export.network import ExportNetwork

CHECKED_BATCH = 2
MAX_CHECKED_SIDE = 1024
"""Pixels; larger inputs would take longer than the export itself."""

Shape = tuple[int, int, int]
"""Images, height, width."""


def shapes_to_check(network: ExportNetwork, multiple: int, divisor: int) -> list[Shape]:
    """Chooses input sizes for the comparison.

    They are smaller and larger than the traced size and have fewer and more cells than
    ``topk``. Only the smallest is square, and all need padding if the graph pads.

    Args:
        network: Network of the graph.
        multiple: Height and width of images are multiples of it.
        divisor: The graph pads to multiples of it.

    Returns:
        At least two shapes: a single image of the smallest size, and batches.
    """
    missing = divisor // 2
    units = [(1, 1, 1), (CHECKED_BATCH, 2, 3)]
    cells = multiple // network.head.stride
    while not _enough_cells(units[-1], cells, network):
        batch, rows, _ = units[-1]
        if (rows + 2) * multiple > MAX_CHECKED_SIDE:
            break
        units[2:] = [(batch, rows + 1, rows + 2)]
    return [(b, h * multiple - missing, w * multiple - missing) for b, h, w in units]


def _enough_cells(shape: Shape, cells: int, network: ExportNetwork) -> bool:
    """Whether an image of so many times `cells` has more cells than topk.

    Top-k of centers runs over all classes, that of keypoints over each keypoint.
    """
    _, height, width = shape
    head, area = network.head, height * width * cells**2
    joints = [points.topk for points in head.point_sets.values()]
    enough_centers = head.num_classes * area > head.test_settings['topk']
    return enough_centers and area > max(joints, default=0)


class Comparison:
    """Runs a graph and the detector that it was exported from.

    Args:
        detector: The original detector, in evaluation mode.
        network: Network of the graph.
        content: Bytes of the ONNX file.

    Raises:
        ValueError: If ONNX Runtime cannot open the graph.
    """

    def __init__(
        self, detector: nn.Module, network: ExportNetwork, content: bytes
    ) -> None:
        self.detector = detector
        self.network = network
        self.session = _open(content)

    def over(self, shapes: Sequence[Shape], traced: Shape) -> Difference:
        """Compares both on random images.

        Args:
            shapes: Images, height and width of each input.
            traced: Shape of the traced input.

        Returns:
            The largest differences.

        Raises:
            ValueError: If they disagree, with the cause if it is known.
        """
        differences = []
        for shape in shapes:
            try:
                differences.append(self._agree(shape))
            except ValueError as error:
                raise ValueError(f'{error}{self._cause(shape, traced)}') from error
        return Difference(*(max(values) for values in zip(*differences, strict=True)))

    def _cause(self, shape: Shape, traced: Shape) -> str:
        """Reports which number is fixed by tracing, if that is the cause."""
        alone = (1, *shape[1:])
        if shape == traced or not self._agrees(traced):
            return '. No file was written'
        frozen = 'number of images' if self._agrees(alone) else 'size of the image'
        backbone = type(getattr(self.network.detector, 'backbone', None)).__name__
        return (
            f'. They agree on the traced input, {text_of(traced)}: a part of the '
            f'network (its backbone is a {backbone}) fixes the {frozen} when it is '
            'traced. No file was written. Export for one image of a fixed size: '
            '--static HEIGHT WIDTH'
        )

    def _agrees(self, shape: Shape) -> bool:
        try:
            self._agree(shape)
        except ValueError:
            return False
        return True

    def _agree(self, shape: Shape) -> Difference:
        """Compares on one input; raises `ValueError` unless the difference is small."""
        difference = self._difference(shape)
        if not difference.small:
            raise ValueError(
                f'ONNX Runtime and torch disagree on {text_of(shape)}: boxes by '
                f'{difference.boxes:.2g} pixels, scores by {difference.scores:.2g}'
                + self._of_properties(difference)
            )
        return difference

    def _difference(self, shape: Shape) -> Difference:
        """Compares with the original detector, including its data preprocessor."""
        images = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        batch = dict(
            inputs=list(torch.from_numpy(images).permute(0, 3, 1, 2)), data_samples=None
        )
        inputs: Tensor = self.network.preprocessor(batch, False)['inputs']
        maps = reference_maps(self.detector, inputs, flip=self.network.flip)
        found, values = self._run(
            images if self.network.normalize else inputs.numpy(), shape
        )
        coder = self.network.head.coder
        expected = len(inputs), min(coder.topk, maps['heatmap'][0].numel())
        if found.scores.shape != expected:
            raise ValueError(
                f'ONNX Runtime and torch disagree on {text_of(shape)}: detections are '
                f'{tuple(found.scores.shape)}, not {expected}'
            )
        return compare(found, values, maps, coder)

    def _of_properties(self, difference: Difference) -> str:
        if not self.network.head.properties:
            return ''
        return f', properties by {difference.properties:.2g} of their size'

    def _run(
        self, fed: np.ndarray, shape: Shape
    ) -> tuple[Detections, dict[str, Tensor]]:
        """Runs the graph; returns detections and property values by key."""
        names = self.network.output_names
        try:
            outputs = self.session.run(names, {'images': fed})
        except Exception as error:  # onnxruntime's errors have no common class
            raise ValueError(
                f'ONNX Runtime and torch disagree on {text_of(shape)}: the graph does '
                f'not run, {error}'
            ) from error
        tensors = dict(zip(names, map(torch.from_numpy, outputs), strict=True))
        found = Detections(*(tensors.pop(name) for name in Detections._fields))
        return found, tensors


def text_of(shape: Shape) -> str:
    """Formats a shape for messages."""
    batch, height, width = shape
    return f'{batch} image{"s" * (batch > 1)} of {height} x {width}'


def _open(content: bytes) -> onnxruntime.InferenceSession:
    """Opens a graph on the CPU."""
    try:
        return onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's errors have no common class
        raise ValueError(
            f'onnxruntime {onnxruntime.__version__} cannot run the graph: {error}. '
            'DeformConv needs onnxruntime 1.25; before, export with --grid-sample'
        ) from error
