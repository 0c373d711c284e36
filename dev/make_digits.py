"""Writes the dataset of the quick start: handwritten digits on textured canvases.

Usage: python dev/make_digits.py data/digits

The digits are the 1,797 scans of 8x8 pixels in scikit-learn (load_digits), enlarged.
Training and validation use different scans. Annotations are COCO json; boxes are tight
around the ink.

With --rotate the digits are rotated, and each annotation has more fields:

    angle         rotation of the digit in degrees, clockwise, 0 to 360
    height        of the upright digit, in pixels
    brightness    of the stroke, from 0 (black) to 1 (white)
    keypoints     corners of the tight box of the upright digit, rotated with it, in
                  COCO's format, named for the upright digit; all inside the image
    area          of the rectangle between them
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from sklearn.datasets import load_digits

VERSION = 1
"""Changes whenever the images change."""
CANVAS = 128
HEIGHTS = (40, 72)
COUNTS = (2, 4)
VAL_SHARE = 0.2
SCAN_MAX = 16.0
"""Maximum value of a scan."""
ENLARGE = 16
"""Factor by which scans are enlarged before they are sharpened."""
SHARPEN = 4
"""Contrast factor for the soft edges of an enlarged scan."""
FULL_TURN = 360.0
"""Degrees."""
INK = 0.5
"""Opacity from which a pixel counts as ink."""
MAX_COVERED = 0.2
"""Maximum part of a box that another box may cover."""
MIN_CONTRAST = 70
PLACEMENT_TRIES = 50
OCTAVES = (4, 8, 16, 64)
"""Side lengths of the noise images that are summed up for a background."""
ROUGHNESS = (4, 14)
"""Range of their standard deviation, of 255."""
DESCRIPTION = 'dataset.json'
CORNERS = ('top-left', 'top-right', 'bottom-right', 'bottom-left')
SKELETON = ((1, 2), (2, 3), (3, 4), (4, 1))
"""Lines between corners, numbered from 1."""
VISIBLE = 2
"""COCO flag of a keypoint that is labeled and visible."""

Box = tuple[int, int, int, int]


class Stamp(NamedTuple):
    """A digit to print on a canvas.

    Attributes:
        opacity: (height, width) float32 from 0 to 1.
        box: Tight box of the ink: x1, y1, x2, y2 in pixels.
        corners: (4, 2) x, y of the corners of the box of the upright digit, rotated
            with it.
    """

    opacity: np.ndarray
    box: Box
    corners: np.ndarray


class Digit(NamedTuple):
    """A digit on a canvas.

    Attributes:
        label: Its class.
        box: Tight around its ink: x1, y1, x2, y2 in pixels.
        angle: Clockwise rotation in degrees, 0 to 360.
        height: Of the upright digit in pixels.
        brightness: Of the stroke, 0 to 1.
        corners: (4, 2) x, y of the corners of the box of the upright digit, rotated
            with it.
    """

    label: int
    box: Box
    angle: float
    height: int
    brightness: float
    corners: np.ndarray


def outline(scan: np.ndarray, height: int) -> np.ndarray:
    """Enlarges a scan and crops it to its ink.

    Args:
        scan: (8, 8) darkness from 0 to 16.
        height: Height of the result in pixels.

    Returns:
        (height, width) float32 opacity from 0 to 1, with ink in the first and last row
        and column.
    """
    # Padded, since strokes reach the border of scans.
    opacity = np.pad(scan.astype(np.float32) / SCAN_MAX, 1)
    large = cv2.resize(
        opacity,
        None,
        fx=ENLARGE,
        fy=ENLARGE,
        interpolation=cv2.INTER_CUBIC,
    )
    tight = _crop(large)
    width = max(1, round(tight.shape[1] * height / tight.shape[0]))
    sharp = np.clip((tight - INK) * SHARPEN + INK, 0, 1)
    return _crop(cv2.resize(sharp, (width, height), interpolation=cv2.INTER_AREA))


def rotate_digit(opacity: np.ndarray, angle: float) -> Stamp:
    """Rotates an upright digit.

    Args:
        opacity: (height, width) float32 from 0 to 1, cropped to its ink.
        angle: Degrees, clockwise.

    Returns:
        The digit on a canvas that contains its corners.
    """
    height, width = opacity.shape
    upright = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    if angle == 0:
        return Stamp(opacity, (0, 0, width, height), upright)
    sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    rotation = np.array([(cos, -sin), (sin, cos)])
    rotated = upright @ rotation.T
    shift = -np.floor(rotated.min(axis=0))
    size = np.ceil(rotated.max(axis=0) + shift).astype(int)
    # The middle of the first pixel is at 0.5 here and at 0 in OpenCV.
    opencv_shift = rotation @ (0.5, 0.5) + shift - 0.5
    matrix = np.column_stack([rotation, opencv_shift])
    result = cv2.warpAffine(opacity, matrix, size.tolist(), flags=cv2.INTER_LINEAR)
    return Stamp(result, _ink_box(result), rotated + shift)


def _crop(opacity: np.ndarray) -> np.ndarray:
    """Crops to the ink."""
    left, top, right, bottom = _ink_box(opacity)
    return opacity[top:bottom, left:right]


def _ink_box(opacity: np.ndarray) -> Box:
    ys, xs = np.nonzero(opacity >= INK)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def background(rng: np.random.Generator) -> np.ndarray:
    """Draws a colored texture.

    Returns:
        (CANVAS, CANVAS, 3) float32 from 0 to 255.
    """
    texture = np.zeros((CANVAS, CANVAS, 3), np.float32)
    for cells in OCTAVES:
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        texture += cv2.resize(noise, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    base = rng.uniform(60, 195) + rng.uniform(-35, 35, 3)
    return np.clip(base + rng.uniform(*ROUGHNESS) * texture, 0, 255).astype(np.float32)


def place(
    rng: np.random.Generator, stamp: Stamp, taken: list[Digit]
) -> tuple[int, int] | None:
    """Draws a position that overlaps the other digits little.

    Args:
        rng: Random generator.
        stamp: The digit.
        taken: The other digits.

    Returns:
        Left and top in pixels, or None if no try succeeded.
    """
    height, width = stamp.opacity.shape
    for _ in range(PLACEMENT_TRIES):
        left = int(rng.integers(0, CANVAS - width + 1))
        top = int(rng.integers(0, CANVAS - height + 1))
        box = _moved(stamp.box, left, top)
        if all(_covered(box, other.box) <= MAX_COVERED for other in taken):
            return left, top
    return None


def _moved(box: Box, right: int, down: int) -> Box:
    x1, y1, x2, y2 = box
    return x1 + right, y1 + down, x2 + right, y2 + down


def _covered(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Returns the intersection of two boxes over the area of the smaller one."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(width, 0) * max(height, 0) / min(areas)


def canvas(
    rng: np.random.Generator,
    scans: np.ndarray,
    labels: np.ndarray,
    rotate: float = 0,
) -> tuple[np.ndarray, list[Digit]]:
    """Draws one image.

    Args:
        rng: Random generator.
        scans: (N, 8, 8) scans to choose from.
        labels: (N,) their classes.
        rotate: Maximum rotation in degrees, in both directions.

    Returns:
        (CANVAS, CANVAS, 3) uint8 image and its digits.
    """
    image = background(rng)
    digits: list[Digit] = []
    for _ in range(rng.integers(COUNTS[0], COUNTS[1] + 1)):
        index = rng.integers(len(scans))
        height = int(rng.integers(*HEIGHTS, endpoint=True))
        upright = outline(scans[index], height)
        angle = rng.uniform(-rotate, rotate) % FULL_TURN if rotate else 0.0
        stamp = rotate_digit(upright, angle)
        spot = place(rng, stamp, digits)
        if spot is None:
            continue
        brightness = _print(rng, image, stamp.opacity, spot)
        digits.append(
            Digit(
                label=int(labels[index]),
                box=_moved(stamp.box, *spot),
                angle=angle,
                height=len(upright),
                brightness=brightness,
                corners=stamp.corners + spot,
            )
        )
    return np.clip(image, 0, 255).astype(np.uint8), digits


def _print(
    rng: np.random.Generator,
    image: np.ndarray,
    opacity: np.ndarray,
    spot: tuple[int, int],
) -> float:
    """Prints a digit in a random color and returns its brightness, 0 to 1."""
    (left, top), (height, width) = spot, opacity.shape
    region = image[top : top + height, left : left + width]
    color = _ink_color(rng, region)
    region += opacity[..., None] * (color - region)
    return float(np.clip(color, 0, 255).mean() / 255)


def _ink_color(rng: np.random.Generator, region: np.ndarray) -> np.ndarray:
    """Draws a color that is brighter or darker than the region."""
    ground = float(region.mean())
    room = 255 - ground, ground
    brighter = room[0] > room[1] if min(room) < MIN_CONTRAST else rng.random() < 0.5
    step = rng.uniform(MIN_CONTRAST, max(room[0] if brighter else room[1], 1))
    tint = rng.uniform(-15, 15, 3)
    return ground + (step if brighter else -step) + tint


def split_scans(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Splits the scans into training and validation.

    Returns:
        Scans (N, 8, 8) and labels (N,) of ``train`` and ``val``.
    """
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    val, train = np.split(order, [round(VAL_SHARE * len(order))])
    return {
        name: (data.images[chosen], data.target[chosen])
        for name, chosen in (('train', train), ('val', val))
    }


def coco(names: list[str], digits: list[list[Digit]], *, pose: bool = False) -> dict:
    """Returns the annotations as COCO json.

    Args:
        names: File names.
        digits: Digits of each image.
        pose: Whether to add the fields of rotated digits.
    """
    flat = [(image, digit) for image, found in enumerate(digits) for digit in found]
    skeleton = dict(keypoints=CORNERS, skeleton=SKELETON) if pose else {}
    return dict(
        images=[
            dict(id=index, file_name=name, width=CANVAS, height=CANVAS)
            for index, name in enumerate(names)
        ],
        annotations=[
            _annotation(number, image, digit) | (_pose(digit) if pose else {})
            for number, (image, digit) in enumerate(flat, start=1)
        ],
        categories=[
            dict(id=label + 1, name=str(label), **skeleton) for label in range(10)
        ],
    )


def _annotation(number: int, image: int, digit: Digit) -> dict:
    left, top, right, bottom = digit.box
    size = right - left, bottom - top
    return dict(
        id=number,
        image_id=image,
        category_id=digit.label + 1,
        bbox=[left, top, *size],
        area=size[0] * size[1],
        iscrowd=0,
    )


def _pose(digit: Digit) -> dict:
    """Returns the additional fields for a rotated digit."""
    points = np.round(digit.corners, 2).tolist()
    first_side = np.linalg.norm(digit.corners[1] - digit.corners[0])
    return dict(
        area=round(float(first_side) * digit.height, 2),
        angle=round(digit.angle, 2) % FULL_TURN,
        height=digit.height,
        brightness=round(digit.brightness, 4),
        keypoints=[number for point in points for number in (*point, VISIBLE)],
        num_keypoints=len(points),
    )


def write_dataset(
    folder: Path, counts: dict[str, int], seed: int, rotate: float = 0
) -> bool:
    """Writes the dataset atomically, unless it exists already.

    Args:
        folder: Gets ``train/``, ``val/`` and their json files.
        counts: Numbers of images for ``train`` and ``val``.
        seed: Determines the images.
        rotate: Maximum rotation in degrees, in both directions.

    Returns:
        Whether anything was written.

    Raises:
        FileExistsError: If the folder contains something else.
    """
    description = dict(version=VERSION, counts=counts, seed=seed)
    if rotate:
        description['rotate'] = rotate
    if (folder / DESCRIPTION).is_file():
        if json.loads((folder / DESCRIPTION).read_text()) == description:
            return False
    elif folder.exists():
        raise FileExistsError(
            f'{folder} was not written by this script: choose another folder'
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.digits-', dir=folder.parent) as scratch:
        complete = Path(scratch) / 'complete'
        for number, (name, scans) in enumerate(split_scans(seed).items()):
            _write_split(complete, name, counts[name], (seed, number), scans, rotate)
        (complete / DESCRIPTION).write_text(json.dumps(description))
        if folder.exists():
            folder.rename(Path(scratch) / 'old')
        complete.rename(folder)
    return True


def _write_split(
    folder: Path,
    name: str,
    count: int,
    seed: tuple[int, int],
    scans: tuple[np.ndarray, np.ndarray],
    rotate: float,
) -> None:
    """Draws the images of one split; each has a seed of its own."""
    (folder / name).mkdir(parents=True)
    names = [f'{index:05d}.png' for index in range(count)]
    digits = []
    for index, file_name in enumerate(names):
        image, found = canvas(np.random.default_rng([*seed, index]), *scans, rotate)
        if not cv2.imwrite(str(folder / name / file_name), image):
            raise OSError(f'{folder / name / file_name} cannot be written')
        digits.append(found)
    (folder / f'{name}.json').write_text(
        json.dumps(coco(names, digits, pose=rotate > 0))
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--train', type=int, default=3600, help='number of images')
    parser.add_argument('--val', type=int, default=200, help='number of images')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--rotate',
        type=_degrees,
        default=0.0,
        metavar='DEGREES',
        help='maximum rotation in both directions, 180 for all angles',
    )
    args = parser.parse_args()
    counts = dict(train=args.train, val=args.val)
    written = write_dataset(args.folder, counts, args.seed, args.rotate)
    state = 'written' if written else 'exists already'
    print(f'{args.folder}: {args.train} + {args.val} images, {state}')


def _degrees(text: str) -> float:
    """Parses --rotate."""
    degrees = float(text)
    if not 0 <= degrees <= FULL_TURN / 2:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 180')
    return degrees


if __name__ == '__main__':
    main()
