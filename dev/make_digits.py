"""Write the quick start's dataset: real handwritten digits on textured canvases.

Usage: python dev/make_digits.py data/digits

The digits are the 1,797 scans of 8x8 pixels that scikit-learn carries (load_digits),
enlarged. Each scan is used in training or in validation, never in both. Annotations are
COCO json; boxes are tight around the ink.

With --rotate the digits are turned, and each annotation says more:

    angle         degrees by which the digit is turned clockwise, 0 to 360
    height        of the upright digit, in pixels
    brightness    of the stroke, from 0, black, to 1, white
    keypoints     corners of the tight box of the upright digit, turned with it, as COCO
                  keypoints, named as the digit is written; all of them in the picture
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
"""Changes with everything that changes the pictures."""
CANVAS = 128
HEIGHTS = (40, 72)
COUNTS = (2, 4)
VAL_SHARE = 0.2
SCAN_MAX = 16.0
"""The darkest value of a scan."""
ENLARGE = 16
"""The factor by which a scan grows before its outline is taken."""
SHARPEN = 4
"""Makes the soft edges of an enlarged scan those of a stroke."""
FULL_TURN = 360.0
"""Degrees."""
INK = 0.5
"""Opacity from which a pixel counts as ink."""
MAX_COVERED = 0.2
"""How much of a digit's box another box may share."""
MIN_CONTRAST = 70
PLACEMENT_TRIES = 50
OCTAVES = (4, 8, 16, 64)
"""Cells a side of the noises that make up a background, coarse to fine."""
ROUGHNESS = (4, 14)
"""Standard deviation of each noise, of 255."""
DESCRIPTION = 'dataset.json'
CORNERS = ('top-left', 'top-right', 'bottom-right', 'bottom-left')
SKELETON = ((1, 2), (2, 3), (3, 4), (4, 1))
"""Lines between corners, which are counted from 1."""
VISIBLE = 2
"""What COCO says of a keypoint that is labelled and seen."""

Box = tuple[int, int, int, int]


class Stamp(NamedTuple):
    """What is printed on a canvas.

    Attributes:
        opacity: (height, width) float32 from 0 to 1.
        box: The tight box of its ink: x1, y1, x2, y2 in pixels.
        corners: (4, 2) x, y of the corners of the digit's box when it is upright.
    """

    opacity: np.ndarray
    box: Box
    corners: np.ndarray


class Digit(NamedTuple):
    """A digit on a canvas.

    Attributes:
        label: Its class.
        box: Tight around its ink: x1, y1, x2, y2 in pixels.
        angle: Degrees by which it is turned clockwise, 0 to 360.
        height: Its height in pixels when it is upright.
        brightness: Of its stroke, 0 to 1.
        corners: (4, 2) x, y of the corners of its box when it is upright, turned with
            it.
    """

    label: int
    box: Box
    angle: float
    height: int
    brightness: float
    corners: np.ndarray


def outline(scan: np.ndarray, height: int) -> np.ndarray:
    """Enlarge a scan and cut it to its ink.

    Args:
        scan: (8, 8) darkness from 0 to 16.
        height: Height of the result in pixels.

    Returns:
        (height, width) float32 opacity from 0 to 1, with ink in the first and last row
        and column.
    """
    # Scans run into their border: room around them lets strokes end round.
    opacity = np.pad(scan.astype(np.float32) / SCAN_MAX, 1)
    large = cv2.resize(
        opacity,
        None,
        fx=ENLARGE,
        fy=ENLARGE,
        interpolation=cv2.INTER_CUBIC,
    )
    tight = _cut(large)
    width = max(1, round(tight.shape[1] * height / tight.shape[0]))
    sharp = np.clip((tight - INK) * SHARPEN + INK, 0, 1)
    return _cut(cv2.resize(sharp, (width, height), interpolation=cv2.INTER_AREA))


def turn(opacity: np.ndarray, angle: float) -> Stamp:
    """Turn an upright digit.

    Args:
        opacity: (height, width) float32 from 0 to 1, cut to its ink.
        angle: Degrees, clockwise.

    Returns:
        The digit, with room for its corners.
    """
    height, width = opacity.shape
    upright = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    if angle == 0:
        return Stamp(opacity, (0, 0, width, height), upright)
    sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    rotation = np.array([(cos, -sin), (sin, cos)])
    turned = upright @ rotation.T
    shift = -np.floor(turned.min(axis=0))
    room = np.ceil(turned.max(axis=0) + shift).astype(int)
    # The middle of the first pixel lies at 0.5, and at 0 for OpenCV.
    shift_of_middles = rotation @ (0.5, 0.5) + shift - 0.5
    matrix = np.column_stack([rotation, shift_of_middles])
    result = cv2.warpAffine(opacity, matrix, room.tolist(), flags=cv2.INTER_LINEAR)
    return Stamp(result, _ink_box(result), turned + shift)


def _cut(opacity: np.ndarray) -> np.ndarray:
    """The smallest rectangle that holds all ink."""
    left, top, right, bottom = _ink_box(opacity)
    return opacity[top:bottom, left:right]


def _ink_box(opacity: np.ndarray) -> Box:
    ys, xs = np.nonzero(opacity >= INK)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def background(rng: np.random.Generator) -> np.ndarray:
    """Draw a coloured texture.

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
    """Find room for a digit, with a little overlap allowed.

    Args:
        rng: Source of the tries.
        stamp: The digit.
        taken: Digits that are already there.

    Returns:
        Left and top in pixels, or None if no try found room.
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
    """The part of the smaller box that two boxes share."""
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
    """Draw one picture.

    Args:
        rng: Decides everything.
        scans: (N, 8, 8) scans to choose from.
        labels: (N,) their classes.
        rotate: Degrees by which digits are turned at most, either way.

    Returns:
        (CANVAS, CANVAS, 3) uint8 picture and its digits.
    """
    picture = background(rng)
    digits: list[Digit] = []
    for _ in range(rng.integers(COUNTS[0], COUNTS[1] + 1)):
        index = rng.integers(len(scans))
        height = int(rng.integers(*HEIGHTS, endpoint=True))
        upright = outline(scans[index], height)
        angle = rng.uniform(-rotate, rotate) % FULL_TURN if rotate else 0.0
        stamp = turn(upright, angle)
        spot = place(rng, stamp, digits)
        if spot is None:
            continue
        brightness = _print(rng, picture, stamp.opacity, spot)
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
    return np.clip(picture, 0, 255).astype(np.uint8), digits


def _print(
    rng: np.random.Generator,
    picture: np.ndarray,
    opacity: np.ndarray,
    spot: tuple[int, int],
) -> float:
    """Print onto a picture, in some colour; say how bright that is, from 0 to 1."""
    (left, top), (height, width) = spot, opacity.shape
    region = picture[top : top + height, left : left + width]
    colour = _ink_colour(rng, region)
    region += opacity[..., None] * (colour - region)
    return float(np.clip(colour, 0, 255).mean() / 255)


def _ink_colour(rng: np.random.Generator, region: np.ndarray) -> np.ndarray:
    """A colour, brighter or darker than what it is drawn on."""
    ground = float(region.mean())
    room = 255 - ground, ground
    brighter = room[0] > room[1] if min(room) < MIN_CONTRAST else rng.random() < 0.5
    step = rng.uniform(MIN_CONTRAST, max(room[0] if brighter else room[1], 1))
    tint = rng.uniform(-15, 15, 3)
    return ground + (step if brighter else -step) + tint


def split_scans(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Deal the scans out to training and validation.

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
    """Describe pictures as COCO json does.

    Args:
        names: File names.
        digits: What is on each picture.
        pose: Say how each digit is turned and drawn, too.
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
    """How a digit is turned and drawn, as fields of its annotation."""
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
    """Write the dataset, whole or not at all, unless it is there.

    Args:
        folder: ``train/``, ``val/`` and their json files appear in it.
        counts: Pictures of ``train`` and ``val``.
        seed: Same seed, same pictures.
        rotate: Degrees by which digits are turned at most, either way.

    Returns:
        Whether anything was written.

    Raises:
        FileExistsError: If the folder is there and holds something else.
    """
    description = dict(version=VERSION, counts=counts, seed=seed)
    if rotate:
        description['rotate'] = rotate
    if (folder / DESCRIPTION).is_file():
        if json.loads((folder / DESCRIPTION).read_text()) == description:
            return False
    elif folder.exists():
        raise FileExistsError(f'{folder} holds no dataset of this tool: choose another')
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.digits-', dir=folder.parent) as scratch:
        whole = Path(scratch) / 'whole'
        for number, (name, scans) in enumerate(split_scans(seed).items()):
            _write_split(whole, name, counts[name], (seed, number), scans, rotate)
        (whole / DESCRIPTION).write_text(json.dumps(description))
        if folder.exists():
            folder.rename(Path(scratch) / 'old')
        whole.rename(folder)
    return True


def _write_split(
    folder: Path,
    name: str,
    count: int,
    seed: tuple[int, int],
    scans: tuple[np.ndarray, np.ndarray],
    rotate: float,
) -> None:
    """Draw the pictures of one split; each has a seed of its own."""
    (folder / name).mkdir(parents=True)
    names = [f'{index:05d}.png' for index in range(count)]
    digits = []
    for index, file_name in enumerate(names):
        picture, found = canvas(np.random.default_rng([*seed, index]), *scans, rotate)
        if not cv2.imwrite(str(folder / name / file_name), picture):
            raise OSError(f'{folder / name / file_name} cannot be written')
        digits.append(found)
    (folder / f'{name}.json').write_text(
        json.dumps(coco(names, digits, pose=rotate > 0))
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--train', type=int, default=3600, help='pictures')
    parser.add_argument('--val', type=int, default=200, help='pictures')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--rotate',
        type=_degrees,
        default=0.0,
        metavar='DEGREES',
        help='turn digits by at most so much, either way; 180 is all round',
    )
    args = parser.parse_args()
    counts = dict(train=args.train, val=args.val)
    written = write_dataset(args.folder, counts, args.seed, args.rotate)
    state = 'written' if written else 'was there already'
    print(f'{args.folder}: {args.train} + {args.val} pictures, {state}')


def _degrees(text: str) -> float:
    """What --rotate takes."""
    degrees = float(text)
    if not 0 <= degrees <= FULL_TURN / 2:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 180')
    return degrees


if __name__ == '__main__':
    main()
