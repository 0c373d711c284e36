"""Checks a dataset and visualizes the targets of the head.

    mmdet_centernet browse-targets CONFIG

Checks annotation files and images. Then draws images after the training pipeline with
their boxes and Gaussians, plots sizes and counts, and prints a report. Needs no weights
and trains nothing. Without a CTDetHead it checks files and images only.

Exit status: 0 for no findings or warnings only; 1 for an error in the config or in
--cfg-options; 2 for an unknown or missing argument; 3 for findings that stop training
or evaluation, such as a file that cannot be read (ERROR in the report).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mmdet_centernet  # noqa: F401, registers the types of configs
from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.data_report.annotation_findings import check_all
from mmdet_centernet.data_report.class_findings import total_counts
from mmdet_centernet.data_report.evaluation_findings import check_evaluators
from mmdet_centernet.data_report.findings import Fault, some
from mmdet_centernet.data_report.readers import SplitFiles, read_splits
from mmdet_centernet.data_report.report import (
    describe_files,
    describe_targets,
    list_findings,
)
from mmdet_centernet.data_report.samples import FailedImage, OtherHead, TrainingData
from mmdet_centernet.data_report.statistics import (
    TargetStatistics,
    check_targets,
    collect,
)
from mmdet_centernet.files import write_bytes, write_figure, write_image
from mmdet_centernet.reason import reason
from mmdet_centernet.visualization.draw_targets import TrainingSample, draw_targets
from mmdet_centernet.visualization.plot_summary import plot_summary

import numpy as np
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from tqdm import tqdm

FAULTS_FOUND = 3
MAX_FAILED = 10
"""Images that the finding on the pipeline names."""
MAX_LENGTH = 80
"""Letters of an image name in the name of its visualization."""


def main() -> None:
    """Runs the command."""
    sys.stdout.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    args = parse_args()
    out = args.out_dir or Path('work_dirs/targets') / Path(args.config).stem
    try:
        cfg = Config.fromfile(args.config)
        merge_options(cfg, args.cfg_options or {})
        init_default_scope('mmdet')
        findings = check(cfg, out, args)
    except (OSError, ValueError) as error:
        sys.exit(f'{args.config}: {error}')
    faults = [text for text in findings if isinstance(text, Fault)]
    if faults:
        text = f'{len(faults)} errors that stop training or evaluation, the first: '
        print(f'{args.config}: {text}{faults[0]}', file=sys.stderr)
        sys.exit(FAULTS_FOUND)


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='training config')
    parser.add_argument(
        '--out-dir', type=Path, help='output folder (work_dirs/targets/CONFIG)'
    )
    parser.add_argument(
        '--images', type=int, default=500, help='training images to check (500)'
    )
    parser.add_argument(
        '--pictures', type=int, default=20, help='training images to draw (20)'
    )
    parser.add_argument('--show', action='store_true', help='open a window')
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of image choice and augmentation (0)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override those of the config',
    )
    return parser.parse_args()


def merge_options(cfg: Config, options: dict) -> None:
    """Merges the options of the command line into a config.

    Raises:
        ValueError: If they do not fit the config.
    """
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine raises many types, some without a message
        keys = ' '.join(f'{key}={value}' for key, value in options.items())
        raise ValueError(
            f'--cfg-options {keys} cannot be merged: {reason(error)}'
        ) from error


def check(cfg: Config, out: Path, args: argparse.Namespace) -> list[str]:
    """Checks files, then targets; writes and prints the report; returns findings."""
    splits = read_splits(cfg)
    data, why_not = training_data(cfg)
    num_classes = data.head.num_classes if data else None
    findings = splits.findings + check_all(splits.files, num_classes)
    findings += check_evaluators(cfg)
    # Written now in case a library crashes the process in the pipeline.
    write_report(out, describe_files(splits.files), list_findings(findings))
    statistics, failed = browse(data, out, args) if data else (None, why_not)
    findings += failed
    findings += check_targets(statistics) if statistics else []
    findings += plot(statistics, data, splits, out)
    pages = [describe_files(splits.files), describe_targets(statistics)]
    report = write_report(out, *pages, list_findings(findings))
    print(f'{report}\n\n{list_outputs(out)}')
    for text in why_not:
        if not isinstance(text, Fault):  # main prints faults
            print(f'{cfg.filename}: {text}', file=sys.stderr)
    return findings


def training_data(cfg: Config) -> tuple[TrainingData | None, list[str]]:
    """Builds the training set; if that fails, returns None and the finding."""
    if not cfg.get('train_dataloader'):
        return None, ['targets were not checked: the config has no train_dataloader']
    try:
        return TrainingData(cfg), []
    except OtherHead as error:
        return None, [f'targets were not checked: {error}']
    except Exception as error:  # faulty files and configs raise any type in mmdet
        return None, [Fault(describe_build_error(error))]


def describe_build_error(error: Exception) -> str:
    """Explains why the training set cannot be built.

    If filters leave no image, mmengine fails in numpy's concatenation.
    """
    if 'at least one array' in str(error):
        return (
            'mmdet keeps no image of the training set: its files list none, or '
            'filter_cfg removes all, for example images without a box of any class in '
            'metainfo. Correct ann_file, spell classes as in the file, or change '
            'filter_cfg'
        )
    return f'mmdet cannot build the training set: {reason(error)}'


def browse(
    data: TrainingData, out: Path, args: argparse.Namespace
) -> tuple[TargetStatistics | None, list[str]]:
    """Collects statistics, draws the first images; returns findings on failures."""
    set_random_seed(args.seed)
    chosen = np.random.permutation(len(data))[: args.images]
    samples = tqdm(data.samples(chosen), total=len(chosen), unit='image')
    failed: list[FailedImage] = []
    undrawn: list[FailedImage] = []
    values: list[Mapping[str, np.ndarray]] = []
    good_samples = keep_values(drop_failed(samples, failed), values)
    targets = list(draw(data, good_samples, out, args, undrawn))
    findings = [*describe_failed(failed, len(chosen)), *describe_undrawn(undrawn)]
    return collect(targets, values) if targets else None, findings


def drop_failed(
    samples: Iterator[TrainingSample | FailedImage], failed: list[FailedImage]
) -> Iterator[TrainingSample]:
    """Yields samples and appends failed images to a list."""
    for sample in samples:
        if isinstance(sample, FailedImage):
            failed.append(sample)
        else:
            yield sample


def keep_values(
    samples: Iterator[TrainingSample], values: list[Mapping[str, np.ndarray]]
) -> Iterator[TrainingSample]:
    """Yields samples and appends the properties of their objects to a list."""
    for sample in samples:
        values.append(sample.values)
        yield sample


def draw(
    data: TrainingData,
    samples: Iterator[TrainingSample],
    out: Path,
    args: argparse.Namespace,
    undrawn: list[FailedImage],
) -> Iterator[CenterTargets]:
    """Yields the targets of all samples and draws the first samples."""
    visualizer = DetLocalVisualizer()
    for number, sample in enumerate(samples):
        if number < args.pictures:
            name = f'{number:03}_{Path(sample.path).stem[:MAX_LENGTH]}'
            try:
                image = draw_targets(
                    visualizer,
                    sample,
                    data.classes,
                    data.head.stride,
                    data.head.properties,
                )
                write_image(out / 'pictures' / f'{name}.png', image)
                if args.show:
                    visualizer.show(image, win_name=name)
            except Exception as error:  # of OpenCV, matplotlib or a window
                undrawn.append(FailedImage(sample.path, reason(error)))
        yield sample.targets


def describe_failed(failed: Sequence[FailedImage], count: int) -> list[str]:
    """Returns a finding on images that failed in the training pipeline."""
    if not failed:
        return []
    images = some([f'{one.path}: {one.reason}' for one in failed], MAX_FAILED)
    return [
        Fault(
            f'{len(failed)} of {count} images failed in the training pipeline: {images}'
        )
    ]


def describe_undrawn(undrawn: Sequence[FailedImage]) -> list[str]:
    """Returns a finding on images that could not be drawn."""
    if not undrawn:
        return []
    images = some([f'{one.path}: {one.reason}' for one in undrawn])
    return [f'{len(undrawn)} images were not drawn: {images}']


def plot(
    statistics: TargetStatistics | None,
    data: TrainingData | None,
    splits: SplitFiles,
    out: Path,
) -> list[str]:
    """Writes the plot, if there are statistics; returns a finding if it fails."""
    if statistics is None or data is None:
        return []
    counts = total_counts(splits.files['train'])
    classes = {name: counts.get(name, 0) for name in data.classes}
    try:
        figure = plot_summary(
            statistics.num_objects,
            statistics.sizes,
            statistics.shares_peak,
            statistics.cells,
            classes,
        )
        write_figure(out / 'summary.png', figure)
    except Exception as error:  # of matplotlib, for names that no font has
        return [f'summary.png was not drawn: {reason(error)}']
    return []


def write_report(out: Path, *pages: str) -> str:
    """Writes the report and returns it."""
    report = '\n\n'.join(page for page in pages if page)
    report = report.encode(errors='backslashreplace').decode()
    write_bytes(out / 'report.txt', f'{report}\n'.encode())
    return report


def list_outputs(out: Path) -> str:
    """Lists the output files that exist."""
    names = ['pictures', 'summary.png', 'report.txt']
    written = [name for name in names if (out / name).exists()]
    return f'Written to {out}/: {", ".join(written)}'


if __name__ == '__main__':
    main()
