"""Detects objects in images with a file of `tools/export_onnx.py`.

    python tools/predict_onnx.py model.onnx photos/ --out-dir results

Needs only numpy, opencv and onnxruntime, and no other file: copy it wherever the model
goes. Writes drawn images and `predictions.json`, in COCO's format with a score to each
annotation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
    'view',
    'image_dtype',
    'score_thr',
    'clip_border',
}
IMAGE_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'}
MAX_WAITING = 64  # images in memory that wait for others of their size
GOLDEN_ANGLE = 137.508  # degrees of hue between classes: neighbours look different


class Detections(NamedTuple):
    """What was found in an image, best first: (N, 4) x1, y1, x2, y2; (N,); (N,)."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def main() -> None:
    """Predicts as the command line says."""
    args = parse_args()
    try:
        detector = Detector(args.model, args.threads)
        paths, ids = choose_images(list_images(args.images), args.annotations)
        results = Results(detector.classes, ids)
        check_folder(args.out_dir, paths)
        for path, image, found in predict(detector, paths, args.batch_size):
            results.add(path, image.shape[:2], found)
            sure = Detections(*(one[found.scores > args.score_thr] for one in found))
            write_image(args.out_dir / path.name, draw(image, sure, detector.classes))
        results.write(args.out_dir / 'predictions.json')
    except (OSError, ValueError) as error:
        sys.exit(f'predict_onnx: {error}')
    print(f'{len(paths)} images, results in {args.out_dir}')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', type=Path, help='ONNX file')
    parser.add_argument('images', type=Path, help='image, or folder with images')
    parser.add_argument('--out-dir', type=Path, default=Path('predictions'))
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='draw what scores higher'
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='images of one size run together'
    )
    parser.add_argument('--threads', type=int, default=0, help='0: one a core')
    parser.add_argument(
        '--annotations',
        type=Path,
        help='annotations in COCO format: only their images are run, under their ids, '
        'so that the predictions can be evaluated',
    )
    return parser.parse_args()


class Detector:
    """An exported network with what its file says about images and boxes.

    Args:
        path: ONNX file.
        threads: Threads of an operator; 0 for one a core.

    Raises:
        ValueError: If the file cannot be run, or is none of `tools/export_onnx.py`.
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
        except Exception as error:  # onnxruntime has no common class for its own
            raise ValueError(
                f'onnxruntime {onnxruntime.__version__} cannot run {path}: {error}\n'
                'DeformConv needs onnxruntime 1.25; before, export with --grid-sample'
            ) from error
        self.settings = read_settings(self.session, path)
        check_graph(self.session, path)
        self.classes: list[str] = self.settings['classes']

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detects objects in images (H, W, 3) that give views of one size."""
        return self.detect([self.show(image) for image in images], images)

    def show(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The view of an image that the network sees, and the (3, 3) map to it."""
        view = image.astype(self.settings['image_dtype'])
        matrix = np.eye(3)
        for name, arguments in self.settings['view']:
            view, step = STEPS[name](view, **arguments)
            matrix = step @ matrix
        return view, matrix

    def detect(
        self,
        views: Sequence[tuple[np.ndarray, np.ndarray]],
        images: Sequence[np.ndarray],
    ) -> list[Detections]:
        """Detects objects in views of one size, with boxes in pixels of the images."""
        batch = np.stack([view for view, _ in views])
        if not self.settings['normalize']:
            batch = normalize(batch, self.settings)
        outputs = self.session.run(['boxes', 'scores', 'labels'], {'images': batch})
        return [
            self.finish(Detections(*found), matrix, image.shape)
            for *found, (_, matrix), image in zip(*outputs, views, images, strict=True)
        ]

    def finish(
        self, found: Detections, matrix: np.ndarray, shape: tuple[int, ...]
    ) -> Detections:
        """Back to pixels of the image, clipped and sorted out as `test_cfg` says."""
        boxes = map_boxes(found.boxes, np.linalg.inv(matrix))
        if self.settings['clip_border']:
            height, width = shape[:2]
            boxes = boxes.clip(0, [width, height, width, height])
        found = found._replace(boxes=boxes.astype(np.float32))
        # Those of score 0 only fill up the list where there are few peaks.
        kept = found.scores > max(self.settings['score_thr'], 0)
        return Detections(*(values[kept] for values in found))


def read_settings(session: onnxruntime.InferenceSession, path: Path) -> dict[str, Any]:
    """The metadata of the file."""
    metadata = session.get_modelmeta().custom_metadata_map
    version = metadata.get('mmdet_centernet')
    if version is None:
        raise ValueError(f'{path} was not written by tools/export_onnx.py')
    if version != str(FORMAT_VERSION):
        raise ValueError(
            f'{path} has format {version}, but this predict_onnx.py reads format '
            f'{FORMAT_VERSION}. Export it again with the tools of one version'
        )
    missing = sorted(FIELDS - metadata.keys())
    if missing:
        raise ValueError(
            f'{path} does not say its {", ".join(missing)}: export it again'
        )
    try:
        return {name: json.loads(metadata[name]) for name in FIELDS}
    except ValueError as error:
        raise ValueError(f'{path} is damaged: {error}. Export it again') from error


def check_graph(session: onnxruntime.InferenceSession, path: Path) -> None:
    """Images in, detections out."""
    found = {one.name for one in (*session.get_inputs(), *session.get_outputs())}
    missing = {'images', *Detections._fields} - found
    if missing:
        raise ValueError(
            f'the network of {path} has no {", ".join(sorted(missing))}: it is not the '
            'one that tools/export_onnx.py wrote'
        )


def resize(
    image: np.ndarray,
    *,
    keep_ratio: bool,
    scale: Sequence[int] = (),
    factor: Sequence[float] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """What mmdet's Resize does: to a width and height, into them, or by factors."""
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
    """A length in whole pixels."""
    return int(length + 0.5)


def center_pad(image: np.ndarray, *, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Into the middle of a black view, of the next larger multiples of `pad + 1`."""
    height, width = image.shape[:2]
    view = np.zeros(((height | pad) + 1, (width | pad) + 1, 3), image.dtype)
    top, left = view.shape[0] // 2 - height // 2, view.shape[1] // 2 - width // 2
    view[top : top + height, left : left + width] = image
    return view, np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])


def center_fit(
    image: np.ndarray, *, size: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Into the middle of a black view, the longer side as wide as the view.

    The map is solved from three points in float32, as the networks were trained.
    """
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [0, -1], [-1, -1]], np.float32) / 2
    center, middle = np.float32([width / 2, height / 2]), np.float32(size) / 2
    matrix = cv2.getAffineTransform(
        center + corners * np.float32(max(height, width)),
        middle + corners * np.float32(size[0]),
    )
    view = cv2.warpAffine(image, matrix, tuple(size))
    return view, np.vstack([matrix, [0, 0, 1]])


STEPS = dict(resize=resize, center_pad=center_pad, center_fit=center_fit)


def normalize(views: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """(B, H, W, 3) blue, green, red to (B, 3, H, W) as the network wants them."""
    if settings['channels'] == 'rgb':
        views = views[..., ::-1]
    mean, std = (np.float32(settings[name]) for name in ('mean', 'std'))
    pixels = (views.astype(np.float32) - mean) / std
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def map_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sends boxes through a map that scales and shifts."""
    corners = boxes.reshape(-1, 2, 2).astype(np.float64)
    return (corners @ matrix[:2, :2].T + matrix[:2, 2]).reshape(-1, 4)


def list_images(path: Path) -> list[Path]:
    """The image, or those in the folder by name."""
    if not path.is_dir():
        return [path]
    names = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not names:
        raise ValueError(f'there is no image in {path}')
    return names


def read_image(path: Path) -> np.ndarray:
    """An image (H, W, 3) uint8 in the order blue, green, red."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} cannot be read as an image')
    return image


def predict(
    detector: Detector, paths: Iterable[Path], batch_size: int
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Reads images and detects objects; images whose views are of one size together.

    Each image gives what it would give alone: none is padded for another one's sake.
    """
    waiting = defaultdict(list)
    for path in paths:
        image = read_image(path)
        view = detector.show(image)
        waiting[view[0].shape].append((path, image, view))
        same = max(waiting.values(), key=len)
        if len(same) >= batch_size or sum(map(len, waiting.values())) >= MAX_WAITING:
            yield from run(detector, same)
            same.clear()
    for same in waiting.values():
        if same:
            yield from run(detector, same)


def run(
    detector: Detector, batch: Sequence[tuple]
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Detects objects in one batch of paths, images and views."""
    paths, images, views = zip(*batch, strict=True)
    yield from zip(paths, images, detector.detect(views, images), strict=True)


def draw(image: np.ndarray, found: Detections, classes: Sequence[str]) -> np.ndarray:
    """Boxes with class and score, the best on top."""
    drawn = image.copy()
    for box, score, label in zip(*(values[::-1] for values in found), strict=True):
        left, top, right, bottom = map(int, box.round())
        color = class_color(label)
        cv2.rectangle(drawn, (left, top), (right, bottom), color, 2)
        text = f'{classes[label]} {score:.2f}'
        place = max(left, 0), max(top - 4, 10)
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1)
    return drawn


def class_color(label: int) -> tuple[int, ...]:
    """A bright colour, in blue, green, red."""
    hue = label * GOLDEN_ANGLE % 360 / 2  # OpenCV counts hues in steps of two degrees
    pixel = cv2.cvtColor(np.uint8([[[hue, 220, 255]]]), cv2.COLOR_HSV2BGR)
    return tuple(map(int, pixel[0, 0]))


class Ids(NamedTuple):
    """Ids of images by file name, and of classes by name."""

    images: dict[str, int]
    classes: dict[str, int]


def choose_images(
    paths: Sequence[Path], annotations: Path | None
) -> tuple[Sequence[Path], Ids]:
    """Those of an annotation file; without one all, with ids from 1 on."""
    if annotations is None:
        ids = {path.name: number for number, path in enumerate(paths, start=1)}
        return paths, Ids(ids, {})
    content = json.loads(annotations.read_text())
    ids = {Path(image['file_name']).name: image['id'] for image in content['images']}
    known = [path for path in paths if path.name in ids]
    if not known:
        raise ValueError(f'{annotations} has none of the images, such as {paths[0]}')
    return known, Ids(ids, {one['name']: one['id'] for one in content['categories']})


class Results:
    """Collects detections as a COCO data set."""

    def __init__(self, classes: Sequence[str], ids: Ids) -> None:
        if ids.classes and not set(classes) <= ids.classes.keys():
            raise ValueError(
                f'the model detects {", ".join(classes)}, but the annotations have '
                f'{", ".join(ids.classes)}'
            )
        self.image_ids = ids.images
        self.categories = [
            dict(id=ids.classes.get(name, number), name=name)
            for number, name in enumerate(classes, start=1)
        ]
        self.images: list[dict] = []
        self.annotations: list[dict] = []

    def add(self, path: Path, size: tuple[int, int], found: Detections) -> None:
        """Adds what was found in an image of a height and width."""
        image_id = self.image_ids[path.name]
        height, width = size
        self.images.append(
            dict(id=image_id, file_name=path.name, height=height, width=width)
        )
        for box, score, label in zip(*found, strict=True):
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
                )
            )

    def write(self, path: Path) -> None:
        """Writes the file."""
        content = dict(
            images=self.images,
            annotations=self.annotations,
            categories=self.categories,
        )
        write(path, json.dumps(content).encode())


def check_folder(folder: Path, paths: Sequence[Path]) -> None:
    """Makes the folder for the results; it must not be that of the images."""
    if folder.resolve() == paths[0].parent.resolve():
        raise ValueError(f'{folder} holds the images: choose another --out-dir')
    folder.mkdir(parents=True, exist_ok=True)


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image in the format that its name asks for."""
    done, encoded = cv2.imencode(path.suffix, image)
    if not done:
        raise ValueError(f'OpenCV cannot write {path}')
    write(path, encoded.tobytes())


def write(path: Path, content: bytes) -> None:
    """Writes a file: all of it, or nothing."""
    part = path.with_name(path.name + '.part')
    part.write_bytes(content)
    os.replace(part, path)


if __name__ == '__main__':
    main()
