"""Measures free memory and the time that decoding and training take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

UNKNOWN = 4 << 30
"""Bytes that are assumed if the system does not tell."""
VERSIONS = {
    '': ('', ('memory.max', 'memory.current')),
    'memory': ('memory', ('memory.limit_in_bytes', 'memory.usage_in_bytes')),
}
"""Folder and files of each controller of Linux control groups, version 2 and 1."""
CACHED = 'inactive_file'
"""Cached files, which count as used memory but can be evicted."""


class Memory(NamedTuple):
    """Memory of the device that mmengine trains on.

    Attributes:
        free: Free memory in bytes.
        on_gpu: Whether it is a GPU's.
    """

    free: int
    on_gpu: bool


def available_memory() -> Memory:
    """Returns the memory that is free now."""
    if torch.cuda.is_available():
        return Memory(torch.cuda.mem_get_info()[0], on_gpu=True)
    return Memory(_of_the_system(), on_gpu=False)


def _of_the_system() -> int:
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return UNKNOWN
    rows = dict(line.split(':', 1) for line in lines if ':' in line)
    free = int(rows['MemAvailable'].split()[0]) << 10 if rows else UNKNOWN
    return min([free, *left_by_groups()])


def left_by_groups(
    root: Path = Path('/sys/fs/cgroup'), own: Path = Path('/proc/self/cgroup')
) -> list[int]:
    """Returns the memory left by control groups, which containers and queues set.

    Args:
        root: Folder of the control groups.
        own: File that lists the groups of this process.

    Returns:
        Bytes left by each limit; empty without limits or control groups.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers in VERSIONS:
            folder, files = VERSIONS[controllers]
            inside = Path(group.lstrip('/'))
            places = [root / folder / one for one in (inside, *inside.parents)]
            found += [_left(place, *files) for place in places]
    return [left for left in found if left is not None]


def _left(folder: Path, limit: str, used: str) -> int | None:
    """Returns the bytes up to the limit of a group; cached files count as free."""
    try:
        most, taken = ((folder / name).read_text().strip() for name in (limit, used))
        rows = (folder / 'memory.stat').read_text().splitlines()
    except OSError:
        return None
    if not most.isdigit():  # version 2 writes max
        return None
    numbers = dict(row.split(maxsplit=1) for row in rows)
    return max(int(most) - int(taken) + int(numbers.get(CACHED, 0)), 0)


FEW = 5
"""Number of images that are decoded for the measurement."""
STEPS = 3
"""Timed training steps; the fastest counts, as the first is slower."""
FAR_LARGER = 8
"""Ratio of image to input area from which decoding is measured."""


def times_larger(image_sizes: np.ndarray, image_scale: Sequence[int]) -> float:
    """Returns the pixels of the median image per pixel of the input."""
    width, height = image_scale
    return float(np.median(image_sizes.prod(axis=1))) / (width * height)


def decode_seconds(paths: Sequence[str]) -> float:
    """Measures the mean seconds to decode an image on one core.

    Args:
        paths: Readable images.
    """
    some = paths[:: max(len(paths) // FEW, 1)][:FEW]
    start = time.perf_counter()
    for path in some:
        cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return (time.perf_counter() - start) / len(some)


def step_seconds(config: Path, crop_size: Sequence[int]) -> float:
    """Measures the seconds of a training step per image.

    Args:
        config: The written config.
        crop_size: Width and height of the input.
    """
    init_default_scope('mmdet')
    model = Config.fromfile(config).model
    model.backbone.init_cfg = None  # no download
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    detector = MODELS.build(model).to(device).train()
    images = _two_images(*crop_size)
    for prop in detector.bbox_head.properties.values():
        for sample in images['data_samples']:
            sample.gt_instances[prop.key] = torch.ones(1, *prop.row_shape)
    batch = detector.data_preprocessor(images, training=True)
    return min(_time_step(detector, batch) for _ in range(STEPS)) / 2


def _time_step(detector: Any, batch: dict) -> float:
    start = time.perf_counter()
    loss, _ = detector.parse_losses(detector(**batch, mode='loss'))
    loss.backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _two_images(width: int, height: int) -> dict:
    """Makes a batch of two random images with an object each."""
    image = torch.randint(256, (3, height, width), dtype=torch.uint8)
    samples = [_one_object(width, height) for _ in range(2)]
    return dict(inputs=[image, image], data_samples=samples)


def _one_object(width: int, height: int) -> DetDataSample:
    box = torch.tensor([[0.0, 0.0, width / 2, height / 2]])
    label = torch.zeros(1, dtype=torch.long)
    sample = DetDataSample(metainfo=dict(img_shape=(height, width)))
    sample.gt_instances = InstanceData(bboxes=box, labels=label)
    sample.ignored_instances = InstanceData(bboxes=box[:0], labels=label[:0])
    return sample
