"""Measures whole predictions of exported networks against stock mmdet, on the CPU.

    OMP_NUM_THREADS=1 python tools/benchmark_onnx.py

From an image in memory to boxes, one image at a time: pre-processing, network and
decoding. Stock is mmdet's own config and its `inference_detector`; ours the same
weights with `CTDetHead`, exported with `--normalize`, and `tools/predict_onnx.py`. Both
run in turns, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mmdet_centernet.export import describe_pipeline, export_onnx

import cv2
import mmdet
import numpy as np
import onnxruntime
import torch
from mmdet.apis import inference_detector
from mmdet.registry import MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from predict_onnx import Detector

ROOT = Path(__file__).resolve().parents[1]
STOCK = Path(mmdet.__file__).parent / '.mim/configs/centernet'
RECIPE = '8xb16-crop512-140e_coco.py'
SIDE = 511  # mmdet pads it to 512; an image of 512 pixels would become one of 544
NETWORKS = {'ResNet-18': 'r18', 'ResNet-18 with DCNv2': 'r18-dcnv2'}


def main() -> None:
    """Prints a table."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    print(
        f'torch {torch.__version__}, mmdet {mmdet.__version__}, onnxruntime '
        f'{onnxruntime.__version__}, {args.threads} thread(s), one image of 512 x 512 '
        'at a time\n'
    )
    print('| network | mmdet, images/s | ONNX Runtime, images/s | times as fast |')
    print('|---|---|---|---|')
    for title, name in NETWORKS.items():
        stock, ours = (
            statistics.median(times) for times in measure(name, args.threads, args.runs)
        )
        print(f'| {title} | {1 / stock:.2f} | {1 / ours:.2f} | {stock / ours:.2f} |')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--threads', type=int, default=1, help='of either side')
    parser.add_argument('--runs', type=int, default=20, help='predictions a side')
    return parser.parse_args()


def measure(name: str, threads: int, runs: int) -> tuple[list[float], list[float]]:
    """Seconds a prediction: of stock mmdet, and of the exported network."""
    stock = build(STOCK / f'centernet_{name}_{RECIPE}')
    ours = build(ROOT / f'configs/ctdet/ctdet_{name}_{RECIPE}')
    ours.load_state_dict(stock.state_dict())
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'model.onnx'
        pipeline = describe_pipeline(get_test_pipeline_cfg(ours.cfg))
        classes = [str(label) for label in range(ours.bbox_head.num_classes)]
        export_onnx(ours, path, pipeline=pipeline, classes=classes, normalize=True)
        detector = Detector(path, threads)
    return in_turns(
        lambda: inference_detector(stock, image), lambda: detector([image]), runs
    )


def build(config: Path) -> nn.Module:
    """The detector of a config, with initial weights."""
    cfg = Config.fromfile(config)
    cfg.model.backbone.pop('init_cfg')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    detector = MODELS.build(cfg.model).eval()
    detector.cfg = cfg
    return detector


def in_turns(
    one: Callable[[], object], other: Callable[[], object], runs: int
) -> tuple[list[float], list[float]]:
    """Seconds of every call of both, after two of each to warm up."""
    times: tuple[list[float], list[float]] = [], []
    for run in range(runs + 2):
        for call, seconds in zip((one, other), times, strict=True):
            start = time.perf_counter()
            call()
            if run >= 2:
                seconds.append(time.perf_counter() - start)
    return times


if __name__ == '__main__':
    main()
