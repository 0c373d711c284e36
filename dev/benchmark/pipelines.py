"""Training pipelines: a JPEG file becomes a sample of 512 x 512."""

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

WIDTH, HEIGHT = 640, 480
PHOTOS = 16
GRAIN = 16  # pixels: coarse noise compresses about as well as a photo
OURS = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomCenterAffine', size=(512, 512)),
    dict(type='CenterNetColorJitter'),
    dict(type='PackDetInputs'),
]


def pipeline_runs(folder: Path, photos: Path | None) -> dict[str, Callable[[], None]]:
    """Load and augment all images once, by the official and by stock's augmentations.

    The floor is reading and decoding the files.

    Args:
        folder: Where to write drawn images if there are no photos.
        photos: Folder of JPEG files.
    """
    files = sorted(photos.glob('*.jpg')) if photos else draw_photos(folder)
    if not files:
        raise SystemExit(f'{photos} holds no .jpg files')
    infos = [_describe(file) for file in files]
    stock = Config.fromfile(STOCK_CONFIGS / NETWORKS['ResNet-18']).train_pipeline
    return dict(
        ours=_passes(OURS, infos),
        stock=_passes(stock, infos),
        floor=_passes(OURS[:1], infos),
    )


def draw_photos(folder: Path) -> list[Path]:
    """Write JPEG files of smooth noise."""
    rng = np.random.default_rng(0)
    files = [folder / f'{number}.jpg' for number in range(PHOTOS)]
    for file in files:
        shape = HEIGHT // GRAIN, WIDTH // GRAIN, 3
        coarse = rng.integers(256, size=shape, dtype=np.uint8)
        smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        fine = rng.normal(scale=8, size=smooth.shape)
        cv2.imwrite(str(file), np.clip(smooth + fine, 0, 255).astype(np.uint8))
    return files


def _describe(file: Path) -> dict:
    """A sample as a dataset hands it to its pipeline, with seven boxes."""
    height, width = cv2.imread(str(file)).shape[:2]
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.6, (7, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0.05, 0.4, (7, 2))])
    boxes *= (width, height) * 2
    instances = [dict(bbox=box, bbox_label=0, ignore_flag=0) for box in boxes.tolist()]
    return dict(
        img_path=str(file), img_id=0, height=height, width=width, instances=instances
    )


def _passes(steps: list[dict], infos: list[dict]) -> Callable[[], None]:
    pipeline = Compose([TRANSFORMS.build(step) for step in steps])

    def run() -> None:
        for info in infos:
            pipeline(copy.deepcopy(info))

    run.count = len(infos)  # type: ignore[attr-defined]
    return run
