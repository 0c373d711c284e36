"""Files that are there whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, or leave the one that was there before.

    A process that is killed meanwhile leaves a ``.part`` beside it, which the next
    writing replaces.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an RGB image in the format that the name of the file asks for.

    Args:
        path: File to write.
        image: (H, W, 3) uint8.

    Raises:
        ValueError: If OpenCV does not know the format.
    """
    done, encoded = cv2.imencode(path.suffix, image[..., ::-1])
    if not done:
        raise ValueError(f'opencv cannot encode {path.name}')
    write_bytes(path, encoded.tobytes())


def write_figure(path: Path, figure: Any, dpi: int = 110) -> None:
    """Write a figure of matplotlib in the format that the name of the file asks for."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dpi, format=path.suffix.removeprefix('.') or 'png')
    write_bytes(path, file.getvalue())
