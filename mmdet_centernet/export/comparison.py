"""On which inputs are graph and detector compared, and what does a difference mean?"""

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
"""Pixels. Above, a comparison would take longer than all the rest."""

Shape = tuple[int, int, int]
"""Images, height, width."""


def shapes_to_check(network: ExportNetwork, multiple: int, divisor: int) -> list[Shape]:
    """Sizes below and above the one of the trace, and cells fewer and more than topk.

    None is square but the smallest, and none is padded yet where the graph pads.

    Args:
        network: What the graph computes.
        multiple: What height and width of images are multiples of.
        divisor: What the graph pads them to multiples of.

    Returns:
        At least two. The smallest is checked alone, others as a batch.
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
    """Whether an image, whose sides are so many times `cells`, has more than topk.

    Centres are chosen among the cells of all classes, joints among those of each joint.
    """
    _, height, width = shape
    head, area = network.head, height * width * cells**2
    joints = [points.topk for points in head.point_sets.values()]
    enough_centers = head.num_classes * area > head.test_settings['topk']
    return enough_centers and area > max(joints, default=0)


class Comparison:
    """Runs a graph and the detector that it was made of.

    Args:
        detector: As it was before the export, in evaluation mode.
        network: What the graph computes.
        content: The ONNX file.

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
        """Compare the two on random images.

        Args:
            shapes: Images, height and width of each input.
            traced: The same of the input that the graph was traced with.

        Returns:
            The largest differences.

        Raises:
            ValueError: If the two disagree, with the cause where it is known.
        """
        differences = []
        for shape in shapes:
            try:
                differences.append(self._agree(shape))
            except ValueError as error:
                raise ValueError(f'{error}{self._cause(shape, traced)}') from error
        return Difference(*(max(values) for values in zip(*differences, strict=True)))

    def _cause(self, shape: Shape, traced: Shape) -> str:
        """Which number of the trace stands in the graph, if it is that."""
        alone = (1, *shape[1:])
        if shape == traced or not self._agrees(traced):
            return '. No file was written'
        frozen = 'number of images' if self._agrees(alone) else 'size of the image'
        backbone = type(getattr(self.network.detector, 'backbone', None)).__name__
        return (
            f'. On {text_of(traced)}, which it was traced with, they agree: a part of '
            f'the network (its backbone is a {backbone}) fixes the {frozen} when it is '
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
        """Compare on one input; a difference that is not small is a `ValueError`."""
        difference = self._difference(shape)
        if not difference.small:
            raise ValueError(
                f'ONNX Runtime and torch disagree on {text_of(shape)}: boxes by '
                f'{difference.boxes:.2g} pixels, scores by {difference.scores:.2g}'
                + self._of_properties(difference)
            )
        return difference

    def _difference(self, shape: Shape) -> Difference:
        """Compare with the detector as it was, preprocessor included."""
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
        """What the graph puts out: detections, and their properties by key."""
        names = self.network.output_names
        try:
            outputs = self.session.run(names, {'images': fed})
        except Exception as error:  # onnxruntime's have no class in common
            raise ValueError(
                f'ONNX Runtime and torch disagree on {text_of(shape)}: the graph does '
                f'not run, {error}'
            ) from error
        tensors = dict(zip(names, map(torch.from_numpy, outputs), strict=True))
        found = Detections(*(tensors.pop(name) for name in Detections._fields))
        return found, tensors


def text_of(shape: Shape) -> str:
    """A shape in words."""
    batch, height, width = shape
    return f'{batch} image{"s" * (batch > 1)} of {height} x {width}'


def _open(content: bytes) -> onnxruntime.InferenceSession:
    """On the CPU. onnxruntime's exceptions have no class in common."""
    try:
        return onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    except Exception as error:
        raise ValueError(
            f'onnxruntime {onnxruntime.__version__} cannot run the graph: {error}. '
            'DeformConv needs onnxruntime 1.25; before, export with --grid-sample'
        ) from error
