"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, or leave the one that was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an RGB image in the format that the name of the file asks for."""
    done, encoded = cv2.imencode(path.suffix, image[..., ::-1])
    if not done:
        raise ValueError(f'opencv cannot encode {path.name}')
    write_bytes(path, encoded.tobytes())
