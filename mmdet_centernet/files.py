"""Writes files atomically."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically; after an error the old file remains.

    A killed process leaves a ``.part`` file, which the next call overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an RGB image in the format of the file's suffix.

    Args:
        path: File to write.
        image: (H, W, 3) uint8.

    Raises:
        ValueError: If OpenCV does not support the format.
    """
    done, encoded = cv2.imencode(path.suffix, image[..., ::-1])
    if not done:
        raise ValueError(f'opencv cannot encode {path.name}')
    write_bytes(path, encoded.tobytes())


def write_figure(path: Path, figure: Any, dpi: int = 110) -> None:
    """Writes a matplotlib figure in the format of the file's suffix."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dpi, format=path.suffix.removeprefix('.') or 'png')
    write_bytes(path, file.getvalue())
