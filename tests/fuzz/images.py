"""Loading and transforms of image files of all kinds, valid and broken."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from random import Random

import cv2
import numpy as np
from mmdet.registry import TRANSFORMS
from PIL import ExifTags, Image, ImageOps

from fuzz import draws
from fuzz.outcome import REFUSED, RIGHT
from mmdet_centernet.data_report.images import broken_images, other_sizes

SIDES = (1, 90), (1, 90), (1, 90), (1000, 4000)
FORMATS = dict(
    PNG=('RGB', 'L', 'RGBA', 'LA', 'P', 'I;16', '1'),
    JPEG=('RGB', 'L', 'CMYK'),
    BMP=('RGB', 'L', 'P'),
    WEBP=('RGB', 'RGBA'),
    TIFF=('RGB', 'L'),
)
ROUNDED, COMPRESSED = 1, 3.0
"""Tolerances: per pixel for lossless formats, on average for others."""


def image_file(draw: Random) -> str:
    """The image equals that of another decoder; broken files are reported."""
    form = draw.choice(list(FORMATS))
    content = draw_image(draw, form)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'image.{draw.choice([form.lower(), "jpg", "png"])}'
        if draw.random() < 0.3:
            path.write_bytes(break_file(draw, content))
            assert list(broken_images([str(path)])) == [str(path)]
            return refuse(path)
        path.write_bytes(content)
        assert broken_images([str(path)]) == {}
        results = load(path)
        expected = read(path)
        sizes = np.array([expected.shape[1::-1]])
        assert other_sizes([str(path)], sizes) == {}
        assert list(other_sizes([str(path)], sizes + 1)) == [str(path)]
        check_pixels(results['img'], expected, form)
        check_view(draw, results)
    return RIGHT


def refuse(path: Path) -> str:
    """The error of mmcv names the file; for an empty file OpenCV raises its own."""
    try:
        load(path)
    except AssertionError as error:
        assert str(path) in str(error), error
    except cv2.error:
        assert not path.stat().st_size
    else:
        raise ValueError(f'{path} was read')
    return REFUSED


def draw_image(draw: Random, form: str) -> bytes:
    """Draws a file with a smooth image, which compression hardly changes."""
    low, high = draw.choices(SIDES, [10, 10, 10, 0.3])[0]
    height, width = draw.randint(low, high), draw.randint(1, 90)
    noise = draws.generator(draw).integers(0, 256, (height, width, 3), np.uint8)
    pixels = cv2.GaussianBlur(noise, (0, 0), 9).reshape(height, width, 3)
    mode = draw.choice(FORMATS[form])
    if mode == 'I;16':
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert(mode)
    options: dict = dict(quality=95) if form in ('JPEG', 'WEBP') else {}
    if form == 'JPEG' and draw.random() < 0.5:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = draw.randint(1, 8)
        options['exif'] = exif
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def break_file(draw: Random, content: bytes) -> bytes:
    """Truncated, empty, or other content."""
    half = content[: draw.randrange(len(content) // 2)]
    return draw.choice([half, half, half, b'', b'<html>404</html>', draw.randbytes(99)])


def load(path: Path) -> dict:
    """Loads an image as configs do."""
    loader = TRANSFORMS.build(dict(type='LoadImageFromFile'))
    return loader(dict(img_path=str(path), img_id=0))


def read(path: Path) -> np.ndarray:
    """Reads an image (H, W, 3) in BGR with Pillow, applying EXIF, without alpha."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith('I'):
            gray = (np.asarray(image, np.float64) / 257).round().astype(np.uint8)
            return np.repeat(gray[..., None], 3, axis=2)
        if image.mode == 'LA':
            image = image.convert('L')
        return np.asarray(image.convert('RGB'))[..., ::-1]


def check_pixels(found: np.ndarray, expected: np.ndarray, form: str) -> None:
    """Compares two images with the tolerance of the format."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    difference = np.abs(found.astype(int) - expected)
    if form in ('JPEG', 'WEBP'):
        assert difference.mean() < COMPRESSED, difference.mean()
    else:
        assert difference.max() <= ROUNDED, difference.max()


def check_view(draw: Random, results: dict) -> None:
    """Checks that CenterAffine centers the image and that colors stay finite."""
    image = results['img']
    height, width = image.shape[:2]
    view = TRANSFORMS.build(dict(type='CenterAffine', pad=31))(dict(results))['img']
    top = view.shape[0] // 2 - height // 2
    left = view.shape[1] // 2 - width // 2
    middle = view[top : top + height, left : left + width]
    assert np.abs(middle.astype(int) - image).max() <= ROUNDED
    strength = draw.choice([0, 0.4])
    jitter = dict(type='CenterNetColorJitter', strength=strength, light_std=strength)
    np.random.seed(draw.getrandbits(32))
    changed = TRANSFORMS.build(jitter)(dict(img=image))['img']
    assert changed.shape == image.shape
    assert np.isfinite(changed).all()
    assert strength or np.abs(changed.astype(int) - image).max() <= ROUNDED
