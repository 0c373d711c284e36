"""Training pipelines, from a JPEG file to a sample of 512 x 512."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

from networks import NETWORKS, STOCK_CONFIGS

import cv2
import numpy as np
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

WIDTH, HEIGHT = 640, 480
IMAGES = 16
LOADER_WORKERS = 2
LOADER_BATCH = 8
LOADER_PASSES = 4  # over the images, so that starting does not count
GRAIN = 16  # pixels: coarse noise compresses about as well as a real image
OURS = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomCenterAffine', size=(512, 512)),
    dict(type='CenterNetColorJitter'),
    dict(type='PackDetInputs'),
]


def pipeline_runs(folder: Path, photos: Path | None) -> dict[str, Callable[[], None]]:
    """Returns passes over all images with the official and with stock's augmentation.

    The floor reads and decodes the files.

    Args:
        folder: Where to write drawn images if there is no folder of images.
        photos: Folder of JPEG files.
    """
    infos = _describe_all(folder, photos)
    floor = dict(floor=OURS[:1])
    return {
        name: _passes(_build(steps), infos)
        for name, steps in {**_training_steps(), **floor}.items()
    }


def loader_runs(folder: Path, photos: Path | None) -> dict[str, Callable[[], int]]:
    """Returns passes of a data loader with workers; each returns its number of samples.

    Args:
        folder: Where to write drawn images if there is no folder of images.
        photos: Folder of JPEG files.
    """
    infos = _describe_all(folder, photos) * LOADER_PASSES
    return {
        name: _loads(_build(steps), infos) for name, steps in _training_steps().items()
    }


def _training_steps() -> dict[str, list[dict]]:
    stock = Config.fromfile(STOCK_CONFIGS / NETWORKS['ResNet-18']).train_pipeline
    return dict(ours=OURS, stock=stock)


def _build(steps: list[dict]) -> Compose:
    return Compose([TRANSFORMS.build(step) for step in steps])


def _describe_all(folder: Path, photos: Path | None) -> list[dict]:
    files = sorted(photos.glob('*.jpg')) if photos else draw_images(folder)
    if not files:
        raise SystemExit(f'{photos} holds no .jpg files')
    return [_describe(file) for file in files]


def draw_images(folder: Path) -> list[Path]:
    """Writes JPEG files of smooth noise."""
    rng = np.random.default_rng(0)
    files = [folder / f'{number}.jpg' for number in range(IMAGES)]
    for file in files:
        shape = HEIGHT // GRAIN, WIDTH // GRAIN, 3
        coarse = rng.integers(256, size=shape, dtype=np.uint8)
        smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        fine = rng.normal(scale=8, size=smooth.shape)
        cv2.imwrite(str(file), np.clip(smooth + fine, 0, 255).astype(np.uint8))
    return files


def _describe(file: Path) -> dict:
    """Returns a sample with seven boxes in the form that datasets give pipelines."""
    height, width = cv2.imread(str(file)).shape[:2]
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.6, (7, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0.05, 0.4, (7, 2))])
    boxes *= (width, height) * 2
    instances = [dict(bbox=box, bbox_label=0, ignore_flag=0) for box in boxes.tolist()]
    return dict(
        img_path=str(file), img_id=0, height=height, width=width, instances=instances
    )


def _loads(pipeline: Compose, infos: list[dict]) -> Callable[[], int]:
    loader = DataLoader(
        _Samples(pipeline, infos),
        batch_size=LOADER_BATCH,
        num_workers=LOADER_WORKERS,
        collate_fn=pseudo_collate,
        persistent_workers=True,
    )

    def run() -> int:
        return sum(len(batch['inputs']) for batch in loader)

    run.count = len(infos)  # type: ignore[attr-defined]
    return run


class _Samples(Dataset):
    """Runs a pipeline for each sample."""

    def __init__(self, pipeline: Compose, infos: list[dict]) -> None:
        self.pipeline, self.infos = pipeline, infos

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> dict:
        return self.pipeline(copy.deepcopy(self.infos[index]))


def _passes(pipeline: Compose, infos: list[dict]) -> Callable[[], None]:
    def run() -> None:
        for info in infos:
            pipeline(copy.deepcopy(info))

    run.count = len(infos)  # type: ignore[attr-defined]
    return run
