"""Detects objects in images with a file of `mmdet_centernet export-onnx`.

    mmdet_centernet predict model.onnx images/ --out-dir results

Needs only numpy, opencv and onnxruntime, and no other file: copy it with the model.
Writes visualizations and `predictions.json` in COCO format, with score and properties
(numbers, angles, keypoints) of each annotation. Searches folders recursively.

Exit status: 0 if all images were predicted; 1 if nothing was written; 3 if results were
written, but some images are unreadable or missing. Those are listed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime

FORMAT_VERSION = 1
FIELDS = {
    'classes',
    'normalize',
    'channels',
    'mean',
    'std',
    'pad_value',
    'view',
    'image_dtype',
    'score_thr',
    'clip_border',
}
# Files that count as images even if OpenCV cannot read them.
IMAGE_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}
INCOMPLETE = 3  # exit status
NAMED = 10  # files that a remark lists
MAX_WAITING = 64  # images that wait in memory for others of their size
BOX_OUTPUTS = ('boxes', 'scores', 'labels')
# Kinds of property values: numbers independent of the image size; lengths,
# displacements and points in pixels; directions in degrees, from the x axis toward the
# y axis; and values that grow with powers of width and height, such as areas.
KINDS = ('plain', 'length', 'displacement', 'keypoints', 'angle', 'scaled')
TEXTS = ('plain', 'length', 'scaled')
ARROW = 0.5  # length of the arrow of an angle, relative to the box's shorter side
HEAD = 0.3  # length of an arrow head, relative to the arrow
DOT = 0.025  # radius of a keypoint, relative to the box's shorter side
GOLDEN_ANGLE = 137.508  # hue between classes in degrees, for distinct neighbors


@dataclass(frozen=True)
class Detections:
    """Detections in an image, best first.

    Attributes:
        boxes: (N, 4) x1, y1, x2, y2.
        scores: (N,) from 0 to 1.
        labels: (N,) indices of classes.
        properties: (N, ...) values of further properties, by key.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    properties: dict[str, np.ndarray] = field(default_factory=dict)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Unpacks as `boxes, scores, labels = detections`."""
        return iter((self.boxes, self.scores, self.labels))

    def __getitem__(self, rows: np.ndarray | slice) -> Detections:
        """Selects detections."""
        properties = {key: one[rows] for key, one in self.properties.items()}
        return Detections(*(one[rows] for one in self), properties)


def main() -> None:
    """Runs the command line."""
    args = parse_args()
    try:
        detector = Detector(args.model, args.threads)
        check_folder(args.out_dir, folder_of(args.images))
        image_set = choose_images(args.images, args.annotations, args.out_dir)
        results = Results(detector.classes, image_set, detector.properties)
        failed = run_all(detector, image_set, results, args)
    except (OSError, ValueError) as error:
        sys.exit(f'predict_onnx: {error}')
    for remark in (*image_set.remarks, *describe_failures(image_set, failed)):
        print(remark, file=sys.stderr)
    print(f'{len(image_set.ids) - len(failed)} images, results in {args.out_dir}')
    if failed or image_set.absent:
        sys.exit(INCOMPLETE)


def run_all(
    detector: Detector, image_set: ImageSet, results: Results, args: argparse.Namespace
) -> dict[Path, str]:
    """Predicts and writes all images; returns the failed ones with their reason."""
    failed: dict[Path, str] = {}
    for path, image, found in predict(detector, image_set.ids, args.batch_size, failed):
        results.add(path, image.shape[:2], found)
        sure = found[found.scores > args.score_thr]
        target = args.out_dir / path.relative_to(image_set.root)
        try:
            write_image(target, detector.draw(image, sure))
        except (OSError, ValueError, OverflowError, cv2.error) as error:
            failed[path] = (
                f'predicted, but its visualization cannot be written: {error}'
            )
    if not results.images:
        path, reason = next(iter(failed.items()))
        others = f', and {len(failed) - 1} more fail' if len(failed) > 1 else ''
        raise ValueError(f'{path}: {reason}{others}')
    results.write(args.out_dir / 'predictions.json')
    return failed


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', type=Path, help='ONNX file')
    parser.add_argument('images', type=Path, help='image, or folder with images')
    parser.add_argument(
        '--out-dir',
        type=Path,
        default=Path('predictions'),
        help='output folder (predictions)',
    )
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='draw detections above it (0.3)'
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images of equal size per run (1)'
    )
    parser.add_argument(
        '--threads', type=int, default=0, help='threads per operator (0: one per core)'
    )
    parser.add_argument(
        '--annotations',
        type=Path,
        help='annotations in COCO format: predict only their images, under their ids, '
        'so that the predictions can be evaluated. Each file_name is a path within '
        'the folder of images',
    )
    return parser.parse_args()


class Detector:
    """An exported network with the metadata of its file.

    Args:
        path: ONNX file.
        threads: Threads per operator; 0 for one per core.

    Raises:
        ValueError: If the file cannot be run or is not from `tools/export_onnx.py`.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        if not path.is_file():
            raise ValueError(f'there is no file {path}')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(
                path, options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime's errors have no common class
            raise ValueError(
                f'onnxruntime {onnxruntime.__version__} cannot run {path}: {error}\n'
                'DeformConv needs onnxruntime 1.25; before, export with --grid-sample'
            ) from error
        self.settings = read_settings(self.session, path)
        self.properties: list[dict[str, Any]] = self.settings['properties']
        self.outputs = [*BOX_OUTPUTS, *(one['key'] for one in self.properties)]
        check_graph(self.session, self.outputs, path)
        self.classes: list[str] = self.settings['classes']
        self.size = fixed_size(self.session, channels_last=self.settings['normalize'])

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detects objects in images (H, W, 3) of one size after preprocessing."""
        return self.detect([self.preprocess(image) for image in images], images)

    def preprocess(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the preprocessed image and the (3, 3) map from the image to it."""
        pixels = image.astype(self.settings['image_dtype'])
        matrix = np.eye(3)
        for name, arguments in self.settings['view']:
            pixels, step = STEPS[name](pixels, **arguments)
            matrix = step @ matrix
        return pixels, matrix

    def detect(
        self,
        preprocessed: Sequence[tuple[np.ndarray, np.ndarray]],
        images: Sequence[np.ndarray],
    ) -> list[Detections]:
        """Detects objects in preprocessed images of one size; boxes fit the images."""
        inputs = [self.to_input(pixels) for pixels, _ in preprocessed]
        outputs = self.run(inputs)
        return [
            self.postprocess(
                dict(zip(self.outputs, found, strict=True)), matrix, image.shape
            )
            for *found, (_, matrix), image in zip(
                *outputs, preprocessed, images, strict=True
            )
        ]

    def to_input(self, pixels: np.ndarray) -> np.ndarray:
        """Converts preprocessed (H, W, 3) pixels to the format and size of the input.

        The padding is the one of mmdet's batches; in uint8 it is rounded, by at most
        half a gray level.
        """
        border = self.settings['pad_value']
        if not self.settings['normalize']:
            return pad(normalize(pixels, self.settings), self.size, [border] * 3, 1)
        mean, std = (np.array(self.settings[name]) for name in ('mean', 'std'))
        color = (mean + border * std).round().clip(0, 255)
        blue_first = color[::-1] if self.settings['channels'] == 'rgb' else color
        return pad(pixels, self.size, blue_first, 0)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the graph on inputs of one size."""
        batches = [np.stack(inputs)]
        if self.size:  # the graph takes one image at a time
            batches = [one[None] for one in inputs]
        try:
            outputs = [
                self.session.run(self.outputs, {'images': one}) for one in batches
            ]
        except Exception as error:  # onnxruntime's errors have no common class
            raise ValueError(f'onnxruntime cannot run the network: {error}') from error
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]

    def postprocess(
        self,
        outputs: dict[str, np.ndarray],
        matrix: np.ndarray,
        shape: tuple[int, ...],
    ) -> Detections:
        """Maps detections to the image, then clips and filters as in `test_cfg`."""
        to_image = np.linalg.inv(matrix)
        boxes = map_boxes(outputs['boxes'], to_image)
        if self.settings['clip_border']:
            height, width = shape[:2]
            boxes = boxes.clip(0, [width, height, width, height])
        properties = {
            one['key']: map_values(outputs[one['key']], to_image, **one['geometry'])
            for one in self.properties
        }
        scores, labels = outputs['scores'], outputs['labels']
        found = Detections(boxes.astype(np.float32), scores, labels, properties)
        # Detections of score 0 are padding.
        return found[scores > max(self.settings['score_thr'], 0)]

    def draw(self, image: np.ndarray, found: Detections) -> np.ndarray:
        """Draws detections, with their properties, on a copy of an image."""
        drawn = draw(image, found, self.classes)
        for one in self.properties:
            draw_property(drawn, found, one)
        write_properties(drawn, found, self.properties)
        return drawn


def read_settings(session: onnxruntime.InferenceSession, path: Path) -> dict[str, Any]:
    """Reads the metadata of the file."""
    metadata = session.get_modelmeta().custom_metadata_map
    version = metadata.get('mmdet_centernet')
    if version is None:
        raise ValueError(f'{path} was not written by mmdet_centernet export-onnx')
    if version != str(FORMAT_VERSION):
        raise ValueError(
            f'{path} has format {version}, but this predict_onnx.py reads format '
            f'{FORMAT_VERSION}. Export it again with the version of this file'
        )
    missing = sorted(FIELDS - metadata.keys())
    if missing:
        raise ValueError(
            f'{path} has no metadata {", ".join(missing)}: export it again'
        )
    texts = {'properties': '[]'} | metadata  # older files have none
    try:
        settings = {name: json.loads(texts[name]) for name in (*FIELDS, 'properties')}
    except ValueError as error:
        raise ValueError(f'{path} is damaged: {error}. Export it again') from error
    for one in settings['properties']:
        kind = one['geometry']['kind']
        if kind not in KINDS:
            raise ValueError(
                f'{path} has a property {one["name"]} of the kind {kind!r}, but this '
                f'predict_onnx.py knows {", ".join(KINDS)}: use that of the version '
                'that wrote the file'
            )
    for step, _ in settings['view']:
        if step not in STEPS:
            raise ValueError(
                f'{path} has a step {step!r}, but this predict_onnx.py knows '
                f'{", ".join(STEPS)}: use that of the version that wrote the file'
            )
    return settings


def check_graph(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], path: Path
) -> None:
    """Checks the names of inputs and outputs."""
    found = {one.name for one in (*session.get_inputs(), *session.get_outputs())}
    missing = {'images', *outputs} - found
    if missing:
        raise ValueError(
            f'the graph of {path} has no {", ".join(sorted(missing))}: it is not the '
            'one that mmdet_centernet export-onnx wrote'
        )


def fixed_size(
    session: onnxruntime.InferenceSession, *, channels_last: bool
) -> tuple[int, int] | None:
    """Returns height and width if the graph only takes one image of that size."""
    sides = session.get_inputs()[0].shape
    height, width = sides[1:3] if channels_last else sides[2:]
    return (height, width) if isinstance(height, int) else None


def resize(
    image: np.ndarray,
    *,
    keep_ratio: bool,
    scale: Sequence[int] = (),
    factor: Sequence[float] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Resizes like mmdet's Resize: to or into a width and height, or by factors."""
    height, width = image.shape[:2]
    if factor:
        scale = rounded(width * factor[0]), rounded(height * factor[1])
    if keep_ratio:
        ratio = min(
            max(scale) / max(height, width),
            min(scale) / min(height, width),
        )
        scale = rounded(width * ratio), rounded(height * ratio)
    resized = cv2.resize(image, tuple(scale), interpolation=cv2.INTER_LINEAR)
    return resized, np.diag([scale[0] / width, scale[1] / height, 1.0])


def rounded(length: float) -> int:
    """Rounds a length to whole pixels."""
    return int(length + 0.5)


def center_pad(image: np.ndarray, *, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Centers an image on black; sides grow to multiples of `pad + 1`."""
    height, width = image.shape[:2]
    padded = np.zeros(((height | pad) + 1, (width | pad) + 1, 3), image.dtype)
    top, left = padded.shape[0] // 2 - height // 2, padded.shape[1] // 2 - width // 2
    padded[top : top + height, left : left + width] = image
    return padded, np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])


def center_fit(
    image: np.ndarray, *, size: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Centers an image on black, its longer side scaled to the width of `size`.

    The map is solved from three points in float32, as in training.
    """
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [0, -1], [-1, -1]], np.float32) / 2
    center, middle = np.float32([width / 2, height / 2]), np.float32(size) / 2
    matrix = cv2.getAffineTransform(
        center + corners * np.float32(max(height, width)),
        middle + corners * np.float32(size[0]),
    )
    fitted = cv2.warpAffine(image, matrix, tuple(size))
    return fitted, np.vstack([matrix, [0, 0, 1]])


# The steps of _STEPS in mmdet_centernet/export/pipeline.py.
STEPS = dict(resize=resize, center_pad=center_pad, center_fit=center_fit)


def normalize(pixels: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Converts (H, W, 3) pixels in B, G, R to the normalized (3, H, W) input."""
    if settings['channels'] == 'rgb':
        pixels = pixels[..., ::-1]
    mean, std = (np.float32(settings[name]) for name in ('mean', 'std'))
    normalized = (pixels.astype(np.float32) - mean) / std
    return np.ascontiguousarray(normalized.transpose(2, 0, 1))


def pad(
    pixels: np.ndarray,
    size: tuple[int, int] | None,
    color: Sequence[float] | np.ndarray,
    axis: int,
) -> np.ndarray:
    """Pads below and right to height and width, which are the axes from `axis` on."""
    if size is None:
        return pixels
    height, width = pixels.shape[axis : axis + 2]
    if height > size[0] or width > size[1]:
        raise ValueError(
            f'after preprocessing it has {height} x {width} pixels, but the model '
            f'takes {size[0]} x {size[1]}: export with a larger --static'
        )
    shape = [*pixels.shape]
    shape[axis : axis + 2] = size
    padded = np.empty(shape, pixels.dtype)
    padded[:] = np.reshape(color, (3, 1, 1) if axis else (1, 1, 3))
    padded[(slice(None),) * axis + (slice(height), slice(width))] = pixels
    return padded


def map_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Maps boxes; the map scales and shifts."""
    corners = boxes.reshape(-1, 2, 2).astype(np.float64)
    return (corners @ matrix[:2, :2].T + matrix[:2, 2]).reshape(-1, 4)


def map_values(
    values: np.ndarray,
    matrix: np.ndarray,
    *,
    kind: str,
    period: float = 360.0,
    powers: Sequence[Sequence[float]] = (),
) -> np.ndarray:
    """Maps values of a property; the map scales and shifts.

    Args:
        values: (N, ...) values.
        matrix: (3, 3) map.
        kind: Kind of the values, see `KINDS`.
        period: Period of an angle in degrees.
        powers: Powers of the factors of width and height, for each number.
    """
    linear, exact = matrix[:2, :2], values.astype(np.float64)
    if kind == 'length':
        exact = exact * np.sqrt(np.linalg.det(linear))
    elif kind == 'displacement':
        exact = exact @ linear.T
    elif kind == 'keypoints':
        exact = exact @ linear.T + matrix[:2, 2]
    elif kind == 'scaled':
        factors = (linear.diagonal() ** np.array(powers)).prod(axis=1)
        exact = exact * factors.reshape(values.shape[1:])
    elif kind == 'angle':
        x, y = linear @ directions(exact).reshape(-1, 2).T
        exact = np.rad2deg(np.arctan2(y, x)).reshape(values.shape) % period
    mapped = exact.astype(np.float32)
    # In float32, the remainder of an angle just below 0 may round to the period.
    return np.where(mapped >= period, 0, mapped) if kind == 'angle' else mapped


def directions(angles: np.ndarray) -> np.ndarray:
    """Converts angles in degrees to unit vectors: (..., 2)."""
    radians = np.deg2rad(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1)


def list_images(path: Path, apart: Path | None = None) -> list[Path]:
    """Lists the image, or all images in the folder, except those in `apart`."""
    return split_files(path, apart)[0]


def split_files(path: Path, apart: Path | None) -> tuple[list[Path], list[Path]]:
    """Lists images and other files, except those in the folder `apart`."""
    if not path.is_dir():
        return [path], []
    files = sorted(files_in(path))
    if apart and is_within(apart, path):
        files = [file for file in files if not is_within(file, apart)]
    images = [file for file in files if is_image(file)]
    if not images:
        raise ValueError(f'there is no image in {path}')
    known = set(images)
    return images, [file for file in files if file not in known]


def files_in(folder: Path) -> Iterator[Path]:
    """Yields the files in a folder and its subfolders; none if it does not exist."""
    return (path for path in folder.rglob('*') if path.is_file())


def is_image(path: Path) -> bool:
    """Whether OpenCV recognizes the file, or it is named like an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES or cv2.haveImageReader(str(path))


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path is the folder or lies in it."""
    return path.resolve().is_relative_to(folder.resolve())


def read_image(path: Path) -> np.ndarray:
    """Reads an image as (H, W, 3) uint8 in B, G, R."""
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:  # for example, too many pixels
        raise ValueError(f'{path} cannot be read as an image: {error}') from error
    if image is None:
        raise ValueError(f'{path} cannot be read as an image')
    return image


def predict(
    detector: Detector, paths: Iterable[Path], batch_size: int, failed: dict[Path, str]
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Reads images and detects objects.

    A batch holds images of one size after preprocessing: without padding to the largest
    of a batch, each image has the same detections as alone. Images that cannot be read
    or run go to `failed`, with the reason.
    """
    waiting = defaultdict(list)
    for path in paths:
        try:
            image = read_image(path)
            preprocessed = detector.preprocess(image)
        except (OSError, ValueError, cv2.error) as error:
            failed[path] = str(error).strip().removeprefix(f'{path} ')
            continue
        waiting[preprocessed[0].shape].append((path, image, preprocessed))
        same = max(waiting.values(), key=len)
        if len(same) >= batch_size or sum(map(len, waiting.values())) >= MAX_WAITING:
            yield from run(detector, same, failed)
            same.clear()
    for same in waiting.values():
        if same:
            yield from run(detector, same, failed)


def run(
    detector: Detector, batch: Sequence[tuple], failed: dict[Path, str]
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Detects objects in a batch; if that fails, in its images one by one."""
    paths, images, preprocessed = zip(*batch, strict=True)
    try:
        found = detector.detect(preprocessed, images)
    except ValueError as error:
        if len(batch) == 1:
            failed[paths[0]] = str(error)
        else:
            for one in batch:
                yield from run(detector, [one], failed)
        return
    yield from zip(paths, images, found, strict=True)


def draw(image: np.ndarray, found: Detections, classes: Sequence[str]) -> np.ndarray:
    """Draws boxes with class and score, the best on top."""
    drawn = image.copy()
    for box, score, label in zip(*(values[::-1] for values in found), strict=True):
        left, top, right, bottom = map(int, box.round())
        color = class_color(label)
        cv2.rectangle(drawn, (left, top), (right, bottom), color, 2)
        text = f'{classes[label]} {score:.2f}'
        place = max(left, 0), max(top - 4, 10)
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1)
    return drawn


def draw_property(
    drawn: np.ndarray, found: Detections, described: dict[str, Any]
) -> None:
    """Draws arrows for angles and displacements, lines for axes, and keypoints."""
    geometry, rows = described['geometry'], found.properties[described['key']]
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1)
    for row, label, middle, side in zip(
        *(one[::-1] for one in (rows, found.labels, middles, sides)), strict=True
    ):
        color = class_color(label)
        if geometry['kind'] == 'keypoints':
            draw_keypoints(drawn, row, described.get('skeleton', ()), side, color)
        elif geometry['kind'] == 'displacement':
            draw_arrows(drawn, middle, [row], color, HEAD)
        elif geometry['kind'] == 'angle':
            period = geometry['period']
            turns = row + period * np.arange(max(1, round(360 / period)))
            head = HEAD if period == 360 else 0
            draw_arrows(drawn, middle, side * ARROW * directions(turns), color, head)


def draw_arrows(
    drawn: np.ndarray,
    start: np.ndarray,
    vectors: Sequence[np.ndarray] | np.ndarray,
    color: tuple[int, ...],
    head: float,
) -> None:
    """Draws arrows from a point; `head` is relative to the length of the arrow."""
    for vector in vectors:
        ends = pixel(start), pixel(start + vector)
        cv2.arrowedLine(drawn, *ends, color, 2, cv2.LINE_AA, tipLength=head)


def draw_keypoints(
    drawn: np.ndarray,
    points: np.ndarray,
    skeleton: Sequence[Sequence[int]],
    side: float,
    color: tuple[int, ...],
) -> None:
    """Draws (J, 2) keypoints and their skeleton; `side` is the box's shorter side."""
    for one, other in skeleton:
        if max(one, other) < len(points):
            ends = pixel(points[one]), pixel(points[other])
            cv2.line(drawn, *ends, color, 2, cv2.LINE_AA)
    radius = round(min(max(side * DOT, 2), 5))
    for point in points:
        cv2.circle(drawn, pixel(point), radius + 1, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(drawn, pixel(point), radius, color, -1, cv2.LINE_AA)


def write_properties(
    drawn: np.ndarray, found: Detections, properties: Sequence[dict[str, Any]]
) -> None:
    """Writes properties without a position into the lower left corners of boxes."""
    numbers = [one for one in properties if one['geometry']['kind'] in TEXTS]
    for index, (left, _, _, bottom) in enumerate(found.boxes):
        color = class_color(found.labels[index])
        for line, one in enumerate(reversed(numbers)):
            row = np.ravel(found.properties[one['key']][index])
            text = ' '.join([one['name'], *(f'{value:.3g}' for value in row)])
            place = pixel((max(left, 0) + 3, bottom - 5 - 12 * line))
            cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1)


def pixel(point: Sequence[float] | np.ndarray) -> tuple[int, int]:
    """Rounds a point to a pixel."""
    x, y = point
    return round(float(x)), round(float(y))


def class_color(label: int) -> tuple[int, ...]:
    """Returns a bright color in B, G, R."""
    hue = label * GOLDEN_ANGLE % 360 / 2  # OpenCV counts hues in steps of two degrees
    pixel = cv2.cvtColor(np.uint8([[[hue, 220, 255]]]), cv2.COLOR_HSV2BGR)
    return tuple(map(int, pixel[0, 0]))


class ImageSet(NamedTuple):
    """Images to predict, with their ids.

    Attributes:
        root: Folder that names of images are relative to.
        ids: Ids of each image; several if the annotations list it more than once.
        classes: Ids of classes by name; empty without annotations.
        absent: Number of images of the annotations that are missing.
        remarks: Sentences about files that are left out.
    """

    root: Path
    ids: dict[Path, list]
    classes: dict[str, int]
    absent: int
    remarks: list[str]


def folder_of(images: Path) -> Path:
    """Returns the folder that names are relative to."""
    return images if images.is_dir() else images.parent


def choose_images(images: Path, annotations: Path | None, out: Path) -> ImageSet:
    """Selects the images of an annotation file, or all, with ids from 1 on."""
    root = folder_of(images)
    paths, others = split_files(images, out)
    if annotations is not None:
        content = read_annotations(annotations)
        return listed_images(content, annotations, root, paths, images == root)
    ids = {path: [number] for number, path in enumerate(paths, start=1)}
    remarks = remark('files that OpenCV cannot read as images', others, root)
    return ImageSet(root, ids, {}, 0, remarks)


def listed_images(
    content: dict, source: Path, root: Path, paths: Sequence[Path], is_all: bool
) -> ImageSet:
    """Selects the images of a folder, or the one image, that a file lists."""
    listed = ids_by_path(content['images'], root)
    ids = {path: listed[path] for path in listed if is_inside(path, root)}
    absent = [path for path in listed if path not in ids]
    unlisted = [path for path in paths if path not in listed]
    if not is_all:
        ids, absent, unlisted = {p: ids[p] for p in paths if p in ids}, [], []
    if not ids:
        advice = advise_folder(content['images'], root)
        raise ValueError(f'{source} has none of the images in {root}, but {advice}')
    remarks = [
        *remark(f'images of {source} that are not in the folder', absent, root),
        *remark(f'images that are not in {source}', unlisted, root),
    ]
    classes = {one['name']: one['id'] for one in content['categories']}
    return ImageSet(root, ids, classes, len(absent), remarks)


def remark(what: str, paths: Sequence[Path], root: Path) -> list[str]:
    """Counts paths and lists the first ones; empty without paths."""
    if not paths:
        return []
    names = ', '.join(os.path.relpath(path, root) for path in paths[:NAMED])
    return [f'{what} ({len(paths)}): {names}' + ', ...' * (len(paths) > NAMED)]


def describe_failures(image_set: ImageSet, failed: dict[Path, str]) -> Iterator[str]:
    """Lists the images that were not predicted, with the reason."""
    if failed:
        yield f'{len(failed)} of {len(image_set.ids)} images failed:'
    for path, reason in failed.items():
        yield f'    {path.relative_to(image_set.root)}: {reason}'


def ids_by_path(entries: Sequence[dict], root: Path) -> dict[Path, list]:
    """Collects the ids of each image in an annotation file."""
    listed = defaultdict(list)
    folder = os.path.abspath(root)
    for entry in entries:
        name = os.path.relpath(os.path.join(folder, entry['file_name']), folder)
        listed[root / name].append(entry['id'])
    return dict(listed)


def is_inside(path: Path, root: Path) -> bool:
    """Whether a file exists inside the folder; results go to the same subpath."""
    return '..' not in path.relative_to(root).parts and path.is_file()


def advise_folder(entries: Sequence[dict], root: Path) -> str:
    """Suggests the folder of the images of an annotation file."""
    name = entries[0]['file_name'] if entries else ''
    for folder in root.resolve().parents:
        if name and (folder / name).is_file():
            return f'those in {folder}, such as {name}: give that folder'
    return f'{name or "nothing"}: give the folder that these names are relative to'


def read_annotations(path: Path) -> dict[str, Any]:
    """Reads and checks the images and categories of a COCO file."""
    try:
        content = json.loads(path.read_bytes().decode())
    except ValueError as error:  # or of the encoding
        raise ValueError(f'{path} is not JSON in UTF-8: {error}') from error
    for part, name in dict(images='file_name', categories='name').items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise ValueError(f'{path} has no list of {part!r}, as COCO files have')
        for number, entry in enumerate(entries):
            if not has_id_and(name, entry):
                raise ValueError(f'{path}: {part}[{number}] has no id and {name}')
        check_once(path, part, 'id', entries)
    check_once(path, 'categories', 'name', content['categories'])
    return content


def has_id_and(name: str, entry: object) -> bool:
    """Whether an entry of a COCO file has an id and a name."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get('id'), int | str)
        and isinstance(entry.get(name), str)
    )


def check_once(path: Path, part: str, field: str, entries: Sequence[dict]) -> None:
    """Checks that no two entries have the same id or name."""
    counts = Counter(entry[field] for entry in entries)
    twice = [value for value, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f'{path}: {len(twice)} {part} have the {field} of another, such as '
            f'{twice[0]!r}'
        )


class Results:
    """Collects detections as a COCO dataset."""

    def __init__(
        self,
        classes: Sequence[str],
        image_set: ImageSet,
        properties: Sequence[dict[str, Any]] = (),
    ) -> None:
        known = image_set.classes
        if known and not set(classes) <= known.keys():
            raise ValueError(
                f'the model detects {", ".join(classes)}, but the annotations have '
                f'{", ".join(known)}'
            )
        self.image_set = image_set
        self.kinds = {one['key']: one['geometry']['kind'] for one in properties}
        self.categories = [
            dict(id=known.get(name, number), name=name)
            for number, name in enumerate(classes, start=1)
        ]
        self.images: list[dict] = []
        self.annotations: list[dict] = []

    def add(self, path: Path, size: tuple[int, int], found: Detections) -> None:
        """Adds the detections of an image of a height and width."""
        name = path.relative_to(self.image_set.root).as_posix()
        height, width = size
        for image_id in self.image_set.ids[path]:
            self.images.append(
                dict(id=image_id, file_name=name, height=height, width=width)
            )
            self._add_boxes(image_id, found)

    def _add_boxes(self, image_id: int | str, found: Detections) -> None:
        for index, (box, score, label) in enumerate(zip(*found, strict=True)):
            x, y, right, bottom = map(float, box)
            self.annotations.append(
                dict(
                    id=len(self.annotations) + 1,
                    image_id=image_id,
                    category_id=self.categories[label]['id'],
                    bbox=[x, y, right - x, bottom - y],
                    area=(right - x) * (bottom - y),
                    iscrowd=0,
                    score=float(score),
                    **self._fields(found, index),
                )
            )

    def _fields(self, found: Detections, index: int) -> dict[str, Any]:
        """Converts the properties of an object to fields of an annotation."""
        fields: dict[str, Any] = {}
        for key, kind in self.kinds.items():
            row = found.properties[key][index]
            if kind == 'keypoints':
                row = np.insert(row, 2, 1, axis=1)  # visible
            fields[key] = row.ravel().tolist() if row.ndim else float(row)
            if key == kind == 'keypoints':
                fields['num_keypoints'] = len(row)
        return fields

    def write(self, path: Path) -> None:
        """Writes the file."""
        content = dict(
            images=self.images,
            annotations=self.annotations,
            categories=self.categories,
        )
        write(path, json.dumps(content).encode())


def check_folder(folder: Path, root: Path) -> None:
    """Checks that the output folder does not hold the images."""
    is_old = (folder / 'predictions.json').exists()  # results of a former run
    holds_images = folder.resolve() == root.resolve() or (
        is_within(folder, root) and not is_old and any(map(is_image, files_in(folder)))
    )
    if holds_images:
        raise ValueError(f'{folder} holds the images: choose another --out-dir')


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image in the format of its name, or as `<name>.png`."""
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        path = path.with_name(path.name + '.png')
    done, encoded = cv2.imencode(path.suffix, image)
    if not done:
        raise ValueError(f'OpenCV cannot write {path}')
    write(path, encoded.tobytes())


def write(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    part.write_bytes(content)
    os.replace(part, path)


if __name__ == '__main__':
    main()
