"""Shows what the head will be taught, and what is suspicious about the dataset.

    mmdet_centernet browse-targets CONFIG

Looks at annotation files and images, then writes pictures of images as they leave the
training pipeline, with their boxes and Gaussians, a plot of sizes and counts, and a
report; prints the report. Nothing is trained and no weights are needed. Where the
model has no CTDetHead, files and images are looked at alone.

The exit status is 0 where nothing or warnings alone were found, 1 where the config or
the command line is wrong, and 3 where something was found that stops training or
evaluation, such as a file that cannot be read: the report calls it ERROR.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mmdet_centernet  # noqa: F401, so that the types of a config are known
from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.data_report.annotation_file import Annotations
from mmdet_centernet.data_report.dropped import count_classes
from mmdet_centernet.data_report.evaluators import suspect_evaluators
from mmdet_centernet.data_report.findings import Fault, some
from mmdet_centernet.data_report.report import (
    describe,
    describe_targets,
    find_warnings,
    list_findings,
)
from mmdet_centernet.data_report.samples import (
    OtherHead,
    TrainingData,
    Unseen,
)
from mmdet_centernet.data_report.splits import SplitFiles, read_splits
from mmdet_centernet.data_report.statistics import (
    TargetStatistics,
    collect,
    suspect_targets,
)
from mmdet_centernet.files import write_bytes, write_figure, write_picture
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
MANY = 10
"""Images named that the pipeline failed on."""
LETTERS = 80
"""Of the name of an image, in that of its picture."""


def main() -> None:
    """Looks at the data as the command line says."""
    sys.stdout.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    args = parse_args()
    out = args.out_dir or Path('work_dirs/targets') / Path(args.config).stem
    try:
        cfg = Config.fromfile(args.config)
        merge_options(cfg, args.cfg_options or {})
        init_default_scope('mmdet')
        findings = look(cfg, out, args)
    except (OSError, ValueError) as error:
        sys.exit(f'{args.config}: {error}')
    faults = [text for text in findings if isinstance(text, Fault)]
    if faults:
        text = f'{len(faults)} errors that stop training or evaluation, the first: '
        print(f'{args.config}: {text}{faults[0]}', file=sys.stderr)
        sys.exit(FAULTS_FOUND)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument(
        '--out-dir', type=Path, help='default: a folder in work_dirs/targets'
    )
    parser.add_argument(
        '--images', type=int, default=500, help='how many to count on (500)'
    )
    parser.add_argument(
        '--pictures', type=int, default=20, help='how many of them to draw (20)'
    )
    parser.add_argument('--show', action='store_true', help='in a window, too')
    parser.add_argument('--seed', type=int, default=0, help='which images, which views')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def merge_options(cfg: Config, options: dict) -> None:
    """Changes a config as the command line says.

    Raises:
        ValueError: If the config has no such place.
    """
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine raises many kinds, some without words
        keys = ' '.join(f'{key}={value}' for key, value in options.items())
        raise ValueError(
            f'--cfg-options {keys} cannot be merged: {reason(error)}'
        ) from error


def look(cfg: Config, out: Path, args: argparse.Namespace) -> list[str]:
    """Looks at files, then at targets; returns the findings."""
    splits = read_splits(cfg)
    data, why_not = training_data(cfg)
    num_classes = data.head.num_classes if data else None
    findings = splits.findings + find_warnings(splits.files, None, num_classes)
    findings += suspect_evaluators(cfg)
    # What is known so far, whatever the libraries behind a pipeline may do.
    write_report(out, describe(splits.files), list_findings(findings))
    statistics, failed = browse(data, out, args) if data else (None, why_not)
    findings += failed
    findings += suspect_targets(statistics) if statistics else []
    findings += plot(statistics, data, splits, out)
    pages = [describe(splits.files), describe_targets(statistics)]
    report = write_report(out, *pages, list_findings(findings))
    print(f'{report}\n\n{what_was_written(out)}')
    for text in why_not:
        if not isinstance(text, Fault):  # those are said by the caller
            print(f'{cfg.filename}: {text}', file=sys.stderr)
    return findings


def training_data(cfg: Config) -> tuple[TrainingData | None, list[str]]:
    """The training set, or why there is none to look at."""
    if not cfg.get('train_dataloader'):
        return None, ['the targets were not looked at: there is no train_dataloader']
    try:
        return TrainingData(cfg), []
    except OtherHead as error:
        return None, [f'the targets were not looked at: {error}']
    except Exception as error:  # whatever files and configs make mmdet raise
        return None, [Fault(cannot_build(error))]


def cannot_build(error: Exception) -> str:
    """Why there is no training set; mmengine says of an empty one what numpy says."""
    if 'at least one array' in str(error):
        return (
            'mmdet keeps no image of the training set: its files list none, or '
            'filter_cfg leaves out all, such as images without a box of a class'
        )
    return f'mmdet cannot build the training set: {reason(error)}'


def browse(
    data: TrainingData, out: Path, args: argparse.Namespace
) -> tuple[TargetStatistics | None, list[str]]:
    """Counts on images and draws the first of them; returns what failed as well."""
    set_random_seed(args.seed)
    chosen = np.random.permutation(len(data))[: args.images]
    samples = tqdm(data.samples(chosen), total=len(chosen), unit='image')
    unseen: list[Unseen] = []
    undrawn: list[Unseen] = []
    values: list[Mapping[str, np.ndarray]] = []
    seen_samples = keep_values(keep_apart(samples, unseen), values)
    seen = list(draw(data, seen_samples, out, args, undrawn))
    findings = [*not_looked_at(unseen, len(chosen)), *not_drawn(undrawn)]
    return collect(seen, values) if seen else None, findings


def keep_apart(
    samples: Iterator[TrainingSample | Unseen], unseen: list[Unseen]
) -> Iterator[TrainingSample]:
    """Hands on samples, and collects images that there is no sample of."""
    for sample in samples:
        if isinstance(sample, Unseen):
            unseen.append(sample)
        else:
            yield sample


def keep_values(
    samples: Iterator[TrainingSample], values: list[Mapping[str, np.ndarray]]
) -> Iterator[TrainingSample]:
    """Hands on samples, and collects the properties of their objects."""
    for sample in samples:
        values.append(sample.values)
        yield sample


def draw(
    data: TrainingData,
    samples: Iterator[TrainingSample],
    out: Path,
    args: argparse.Namespace,
    undrawn: list[Unseen],
) -> Iterator[CenterTargets]:
    """Hands on the targets of images, and draws the first of them."""
    visualizer = DetLocalVisualizer()
    for number, sample in enumerate(samples):
        if number < args.pictures:
            name = f'{number:03}_{Path(sample.path).stem[:LETTERS]}'
            try:
                picture = draw_targets(
                    visualizer,
                    sample,
                    data.names,
                    data.head.stride,
                    data.head.properties,
                )
                write_picture(out / 'pictures' / f'{name}.png', picture)
                if args.show:
                    visualizer.show(picture, win_name=name)
            except Exception as error:  # of OpenCV, matplotlib or a window
                undrawn.append(Unseen(sample.path, reason(error)))
        yield sample.targets


def not_looked_at(unseen: Sequence[Unseen], count: int) -> list[str]:
    """Which images the training pipeline failed on."""
    if not unseen:
        return []
    images = some([f'{one.path}: {one.reason}' for one in unseen], MANY)
    return [
        Fault(
            f'{len(unseen)} of {count} images did not come through the training '
            f'pipeline: {images}'
        )
    ]


def not_drawn(undrawn: Sequence[Unseen]) -> list[str]:
    """Which images there is no picture of."""
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
    """Writes the plot where there is something to plot; returns why it could not."""
    if statistics is None or data is None:
        return []
    classes = total_classes(data.names, splits.files['train'])
    try:
        figure = plot_summary(
            statistics.num_objects,
            statistics.sizes,
            statistics.shares_peak,
            statistics.cells,
            classes,
        )
        write_figure(out / 'summary.png', figure)
    except Exception as error:  # matplotlib's, of names that no font has
        return [f'summary.png was not drawn: {reason(error)}']
    return []


def total_classes(names: Sequence[str], files: Sequence[Annotations]) -> dict[str, int]:
    """Boxes of each class in all files."""
    counts = [count_classes(file) for file in files]
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def write_report(out: Path, *pages: str) -> str:
    """Writes the report and returns it."""
    report = '\n\n'.join(page for page in pages if page)
    report = report.encode(errors='backslashreplace').decode()
    write_bytes(out / 'report.txt', f'{report}\n'.encode())
    return report


def what_was_written(out: Path) -> str:
    """The files that are there now."""
    names = ['pictures', 'summary.png', 'report.txt']
    written = [name for name in names if (out / name).exists()]
    return f'Written to {out}/: {", ".join(written)}'


if __name__ == '__main__':
    main()
