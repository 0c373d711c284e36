"""Makes the convolutions of an exported network compute in 8-bit integers.

    mmdet_centernet quantize-onnx model.onnx photos/ model-int8.onnx

A quarter of the size, and faster on processors with instructions for it. onnxruntime
does the work; the photos, some hundred of the kind that will be seen, tell it the range
of every layer. Measure what it costs before you ship it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from predict_onnx import Detector, list_images, read_image

import cv2
import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

# Decoding stays as it is: coordinates need more than 256 values.
QUANTIZED = ['Conv']


class Views(CalibrationDataReader):
    """Photos as the network sees them, one by one."""

    def __init__(self, detector: Detector, paths: list[Path]) -> None:
        self.batches = self._batches(detector, paths)

    @staticmethod
    def _batches(detector: Detector, paths: list[Path]) -> Iterator[np.ndarray]:
        for path in tqdm(paths, 'looking', unit='photo'):
            try:
                view, _ = detector.show(read_image(path))
                batch = detector.prepare(view)[None]
            except (OSError, ValueError, cv2.error) as error:
                print(f'left out, {path}: {error}', file=sys.stderr)
                continue
            yield batch

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else dict(images=batch)


def main() -> None:
    """Quantizes as the command line says."""
    args = parse_args()
    try:
        detector = Detector(args.model)
        paths = list_images(args.photos)[: args.images]
    except (OSError, ValueError) as error:
        sys.exit(f'quantize_onnx: {error}')
    if not detector.settings['normalize']:
        sys.exit(
            'quantize_onnx: the model wants normalised images; export it with '
            '--normalize'
        )
    try:
        quantize(args.model, args.out, Views(detector, paths))
    except ValueError as error:  # of no photo that can be read, for one
        sys.exit(f'quantize_onnx: {error}')
    before, after = (path.stat().st_size / 1e6 for path in (args.model, args.out))
    print(f'{args.out}: {after:.1f} MB, was {before:.1f} MB')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', type=Path, help='file of export_onnx.py --normalize')
    parser.add_argument('photos', type=Path, help='folder of photos to learn from')
    parser.add_argument('out', type=Path, help='ONNX file to write')
    parser.add_argument('--images', type=int, default=100, help='at most so many')
    return parser.parse_args()


def quantize(model: Path, out: Path, views: CalibrationDataReader) -> None:
    """Write the quantized network, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        prepared, path = Path(folder) / 'prepared.onnx', Path(folder) / out.name
        # Its symbolic half wants a package more, and sizes that are fixed.
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            path,
            views,
            op_types_to_quantize=QUANTIZED,
            # What x86 multiplies at once: unsigned by signed.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        os.replace(path, out)


if __name__ == '__main__':
    main()
